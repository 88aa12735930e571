"""What the program prints: one module a format, one function a thing to print.

Each module that a format of `check` names has a `Writer`, a `ReportWriter`, and a `Merger`, a `ReportMerger`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holystone.render.report_writer import ReportMerger, ReportWriter

CHECK_FORMATS = ("text", "json", "jsonl", "junit", "markdown", "nagios", "prometheus", "sarif")
GATE_FORMATS = ("text", "json", "markdown")


def writer_class(format: str) -> "type[ReportWriter]":
    """Return what writes the report of a check in one of CHECK_FORMATS."""
    writer: type[ReportWriter] = import_module(f"holystone.render.{format}").Writer
    return writer


def merger_class(format: str) -> "type[ReportMerger]":
    """Return what makes one report of those of several stores in one of CHECK_FORMATS."""
    merger: type[ReportMerger] = import_module(f"holystone.render.{format}").Merger
    return merger

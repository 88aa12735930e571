"""What the program prints: one module a format, one function a thing to print.

Each module that a format names has `check(scan, out, limit)`, which drives the scan and writes as it goes, so
that a million findings take no more memory than ten.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from holystone.scan.scan import Scan

CHECK_FORMATS = ("text", "json", "jsonl")

CheckRenderer = Callable[["Scan", TextIO, int | None], None]


def check_renderer(format: str) -> CheckRenderer:
    """Return the function that renders a scan in one of CHECK_FORMATS."""
    renderer: CheckRenderer = import_module(f"holystone.render.{format}").check
    return renderer

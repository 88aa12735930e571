"""Checks as declarations over facts, and the scan that runs many of them in one pass."""

from holystone.scan.check import Check, Level, NoRepair, Severity
from holystone.scan.finding import Finding

__all__ = ["Check", "Finding", "Level", "NoRepair", "Severity"]

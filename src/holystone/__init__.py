"""Checks, repairs and migrations for the databases of durable executions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holystone.api import apply, check, plan, undo, why
    from holystone.errors import HolystoneError
    from holystone.scan.catalogue import Selection
    from holystone.scan.check import Level, Severity

__version__ = "0.1.0"

_MODULES = {
    "HolystoneError": "holystone.errors",
    "Level": "holystone.scan.check",
    "Selection": "holystone.scan.catalogue",
    "Severity": "holystone.scan.check",
    "apply": "holystone.api",
    "check": "holystone.api",
    "plan": "holystone.api",
    "undo": "holystone.api",
    "why": "holystone.api",
}
"""Public name -> the module that it is imported from when it is first asked for."""

__all__ = ["HolystoneError", "Level", "Selection", "Severity", "apply", "check", "plan", "undo", "why"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)

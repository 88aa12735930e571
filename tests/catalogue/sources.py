"""Where the declarations of the project's own checks are, and the cases that go with them."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import holystone.checks
import pytest

from cases.case import Case
from conftest import FLAVOURS
from holystone.registry import declaration
from holystone.scan.catalogue import checks
from holystone.scan.check import Check, Level

EVERY_CHECK = [check for check in checks() if check.level < Level.restored]
"""Those that find nothing in a sound store that is at work, as the stores of the cases are."""
OF_COPIES = [check for check in checks() if check.level == Level.restored]
"""Those that are for a copy alone on which nobody works yet."""
ON_EACH_FLAVOUR = [
    pytest.param(check, flavour, id=f"{check.id}-{flavour}")
    for check in [*EVERY_CHECK, *OF_COPIES]
    for flavour in FLAVOURS
    if flavour in check.flavours
]
"""For parametrize: each check, with each flavour that it applies to."""
LONG_ON_POSTGRESQL = [
    pytest.param(
        check, flavour, id=f"{check.id}-{flavour}", marks=[pytest.mark.long] if flavour == "postgresql" else []
    )
    for check in [*EVERY_CHECK, *OF_COPIES]
    for flavour in FLAVOURS
    if flavour in check.flavours
]
"""The same for what takes some seconds on PostgreSQL for each check."""


def modules() -> list[str]:
    """Return the names of the files in checks/, whether or not they declare anything."""
    return sorted(info.name for info in pkgutil.iter_modules(holystone.checks.__path__))


def check_in(module: str) -> Check:
    """Return the check that a file declares; CatalogueError where it declares none."""
    return declaration(import_module(f"holystone.checks.{module}"), Check)


def case_of(check: Check) -> Case:
    """Return the case of a check: tests/cases has a file of the same name as the check's own."""
    module = next(name for name in modules() if name.startswith(f"{check.id.lower()}_"))
    case: Case = import_module(f"cases.{module}").CASE
    return case

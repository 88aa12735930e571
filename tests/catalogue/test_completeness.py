"""A check is whole only with its case, its runbook page and its repair; this says what one lacks."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from catalogue.sources import check_in, modules
from holystone.errors import CatalogueError
from holystone.mend.repair import repairs
from holystone.render.runbook import check_page
from holystone.scan.check import NoRepair

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook"

NAME = re.compile(r"([ehiqks]\d{3})_([a-z0-9_]+)")


def lacking(module: str) -> list[str]:
    """Return what the check in a file of checks/ lacks, in words."""
    try:
        check = check_in(module)
    except CatalogueError as error:
        return [error.message]
    lacks = []
    named = NAME.fullmatch(module)
    if named is None or (named[1].upper(), named[2].replace("_", "-")) != (check.id, check.name):
        lacks.append(f"checks/{module}.py should be called {check.id.lower()}_{check.name.replace('-', '_')}.py")
    if find_spec(f"cases.{module}") is None:
        lacks.append(f"{check.id} has no case: write tests/cases/{module}.py")
    elif not hasattr(import_module(f"cases.{module}"), "CASE"):
        lacks.append(f"tests/cases/{module}.py has no CASE")
    page = RUNBOOK / f"{check.id}.md"
    # Its last part, a real run, is compared with all else that is generated.
    if not page.exists() or not page.read_text(encoding="utf-8").startswith(check_page(check)):
        lacks.append(f"{page.name} is missing or stale in docs/runbook: run `python docs/build.py`")
    if isinstance(check.repair, NoRepair):
        if len(check.repair.because) < 20:
            lacks.append(f"{check.id} does not say why no program may repair it")
    elif check.repair not in repairs().by_id:
        lacks.append(f"{check.id} names the repair {check.repair}, which repair/ does not have")
    return lacks


@pytest.mark.parametrize("module", modules())
def test_check_is_whole(module: str) -> None:
    assert lacking(module) == []


def test_empty_check_file_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import holystone.checks

    (tmp_path / "e999_nothing.py").write_text("")
    monkeypatch.setattr(holystone.checks, "__path__", [str(tmp_path)])
    assert modules() == ["e999_nothing"]
    assert lacking("e999_nothing") == [
        "The module holystone.checks.e999_nothing declares no CHECK, a holystone.scan.check.Check."
    ]


def test_every_case_belongs_to_a_check() -> None:
    cases = {path.stem for path in (Path(__file__).parents[1] / "cases").glob("[ehiqks]*_*.py")}
    assert cases == set(modules())


def test_every_repair_is_used_by_a_check() -> None:
    used = {check_in(module).repair for module in modules()}
    assert set(repairs().by_id) <= used

"""A check is whole only with its case, its runbook page and its repair; this says what one lacks."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from cases.case import Case
from catalogue.sources import check_in, modules
from holystone.errors import CatalogueError
from holystone.mend.repair import Repair, repairs
from holystone.render.runbook import check_page
from holystone.scan.catalogue import checks
from holystone.scan.check import Check, NoRepair

ROOT = Path(__file__).parents[2]
RUNBOOK, REPAIRS = ROOT / "docs" / "runbook", ROOT / "repair"

NAME = re.compile(r"([dehiqks]\d{3})_([a-z0-9_]+)")


def lacking(module: str) -> list[str]:
    """Return what the check in a file of checks/ lacks, in words."""
    try:
        check = check_in(module)
    except CatalogueError as error:
        return [error.message]
    except Exception as error:
        return [f"checks/{module}.py cannot be imported: {type(error).__name__}: {error}"]
    lacks = to_do(check.id, check)
    named = NAME.fullmatch(module)
    if named is None or (named[1].upper(), named[2].replace("_", "-")) != (check.id, check.name):
        lacks.append(f"checks/{module}.py should be called {check.id.lower()}_{check.name.replace('-', '_')}.py")
    if find_spec(f"cases.{module}") is None:
        lacks.append(f"{check.id} has no case: write tests/cases/{module}.py")
    else:
        lacks += lacking_in_case(module, is_repaired=isinstance(check.repair, str))
    page = RUNBOOK / f"{check.id}.md"
    # Its last part, a real run, is compared with all else that is generated.
    if not page.exists() or not page.read_text(encoding="utf-8").startswith(check_page(check)):
        lacks.append(f"{page.name} is missing or stale in docs/runbook: run `python docs/build.py {check.id}`")
    if isinstance(check.repair, NoRepair):
        if len(check.repair.because) < 20:
            lacks.append(f"{check.id} does not say why no program may repair it")
    elif check.repair not in repairs().by_id:
        lacks.append(f"{check.id} names the repair {check.repair}, which repair/ does not have")
    return lacks


def to_do(id: str, declared: Check | Repair) -> list[str]:
    """Return which texts of a declaration are still as docs/new.py wrote them, in words."""
    texts = {field.name: getattr(declared, field.name) for field in fields(declared)}
    lacks = [f"{id} has no {name} yet" for name, text in texts.items() if str(text).startswith("TODO")]
    if isinstance(declared, Check) and isinstance(declared.repair, NoRepair) and declared.repair.because[:4] == "TODO":
        lacks.append(f"{id} does not say yet why no program may repair it, and names no repair")
    return lacks


def lacking_in_case(module: str, *, is_repaired: bool) -> list[str]:
    """Return what the case of a check lacks, in words."""
    file, case = f"tests/cases/{module}.py", getattr(import_module(f"cases.{module}"), "CASE", None)
    if not isinstance(case, Case):
        return [f"{file} has no CASE"]
    if not case.findings:
        return [f"{file} has no findings: write broken rows, and what the check finds in them"]
    if is_repaired and not case.repaired and any(found.repair != "none" for found in case.findings):
        return [f"{file} has no repaired rows: write what they are after the repair"]
    return []


@pytest.mark.parametrize("module", modules())
def test_check_is_whole(module: str) -> None:
    lacks = lacking(module)
    assert not lacks, "\n".join(lacks)


@pytest.mark.parametrize("repair", list(repairs()), ids=lambda repair: repair.id)
def test_repair_is_whole(repair: Repair) -> None:
    lacks = to_do(repair.id, repair)
    if not any(check.repair == repair.id for check in checks()):
        lacks.append(f'no check names {repair.id}: give one repair="{repair.id}"')
    if not (REPAIRS / f"{repair.id.replace('-', '_')}.py").exists():
        lacks.append(f"the file of {repair.id} should be called repair/{repair.id.replace('-', '_')}.py")
    assert not lacks, "\n".join(lacks)


def test_empty_check_file_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import holystone.checks

    (tmp_path / "e999_nothing.py").write_text("")
    monkeypatch.setattr(holystone.checks, "__path__", [str(tmp_path)])
    assert modules() == ["e999_nothing"]
    assert lacking("e999_nothing") == [
        "The module holystone.checks.e999_nothing declares no CHECK, a holystone.scan.check.Check."
    ]


def test_every_case_belongs_to_a_check() -> None:
    cases = {path.stem for path in (ROOT / "tests" / "cases").glob("[dehiqks]???_*.py")}
    assert cases - set(modules()) == set()

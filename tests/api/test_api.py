"""What users call from Python does what the commands do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import holystone
from cases import e001_status_mismatch, i001_current_execution_mismatch
from catalogue.conftest import Prepare
from catalogue.prefixed import PrefixedScribe
from conftest import FLAVOURS
from contents import contents
from holystone.demo.scribe import Scribe
from holystone.errors import CatalogueError, JournalError, TargetError
from holystone.scan.result import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def drifted(scribe: Scribe) -> None:
    for case in (e001_status_mismatch, i001_current_execution_mismatch):
        case.CASE.broken(PrefixedScribe(scribe, case.__name__[6:10]))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_check_plan_apply_undo(prepare: Prepare, flavour: str) -> None:
    made = prepare(flavour, drifted).made
    before = contents(made)
    scan = holystone.check(made.target, schema=made.schema)
    found = [finding.fingerprint for finding in scan]
    assert found
    assert scan.verdict is Verdict.drift
    plan = holystone.plan(made.target, schema=made.schema)
    assert contents(made) == before
    report = holystone.apply(made.target, plan, schema=made.schema)
    assert report.run is not None
    assert report.applied >= len([change for change in plan.changes if change.safety == "safe"]) > 0
    left = {finding.fingerprint for finding in holystone.check(made.target, schema=made.schema)}
    assert left < set(found)
    known = holystone.check(made.target, schema=made.schema, known=left)
    assert list(known) == []
    undone = holystone.undo(made.target, report.run, schema=made.schema)
    assert (undone.applied, undone.left) == (report.applied, 0)
    assert contents(made) == before


def test_later_plans_are_agreed_to(prepare: Prepare) -> None:
    ground = prepare("sqlite", drifted)
    plan = holystone.plan(ground.store)
    shown: list[str] = []
    holystone.apply(ground.store, plan, agree=lambda later: shown.append(later.hash))
    assert plan.hash not in shown
    assert bool(shown) == bool(plan.waiting)


def test_an_empty_plan_writes_nothing(prepare: Prepare) -> None:
    ground = prepare("sqlite", lambda scribe: None)
    report = holystone.apply(ground.store, holystone.plan(ground.store))
    assert (report.run, report.applied, report.left) == (None, 0, 0)


def test_errors_are_those_of_the_commands(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(TargetError):
        holystone.check(str(tmp_path / "none.db"))
    ground = prepare("sqlite", drifted)
    with pytest.raises(CatalogueError):
        holystone.check(ground.store, holystone.Selection(select=["E999"]))
    with pytest.raises(JournalError):
        holystone.undo(ground.store, "20260101-000000-000000")


def test_what_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = holystone.nothing


def test_importing_holystone_imports_nothing_else() -> None:
    code = (
        "import sys, holystone; print([name for name in sys.modules if name.startswith(('holystone.', 'sqlalchemy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    made = tmp_path / "demo"
    subprocess.run([sys.executable, "-m", "holystone", "demo", str(made)], check=True, capture_output=True)
    (store,) = made.glob("*.db")
    store.rename(tmp_path / "orders.db")
    printed = []
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
        assert done.stderr == ""
        printed.append(done.stdout)
    first, second = printed
    assert "E001" in first
    assert first.splitlines().count("drift") >= 1
    assert re.search(r"^[1-9]\d* applied, \d+ left$", first, re.MULTILINE)
    assert re.search(r"^[1-9]\d* put back$", first, re.MULTILINE)
    assert second == ""

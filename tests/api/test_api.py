"""What users call from Python does what the commands do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import holystone
import holystone.api
from cases import e001_status_mismatch, i001_current_execution_mismatch
from catalogue.conftest import Prepare
from catalogue.prefixed import PrefixedScribe
from conftest import FLAVOURS
from contents import contents
from holystone.api import scan
from holystone.cli.exit_codes import Exit
from holystone.cli.main import run
from holystone.demo.scribe import Scribe
from holystone.errors import CatalogueError, JournalError, TargetError, UnfinishedScanError
from holystone.scan.check import Level
from holystone.scan.result import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def drifted(scribe: Scribe) -> None:
    for case in (e001_status_mismatch, i001_current_execution_mismatch):
        case.CASE.broken(PrefixedScribe(scribe, case.__name__[6:10]))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_check_plan_apply_undo(prepare: Prepare, flavour: str) -> None:
    made = prepare(flavour, drifted).made
    before = contents(made)
    report = holystone.check(made.target, schema=made.schema)
    found = [finding.fingerprint for finding in report.findings]
    assert found
    assert report.verdict == "drift"
    plan = holystone.plan(made.target, schema=made.schema)
    assert contents(made) == before
    applied = holystone.apply(made.target, plan, schema=made.schema)
    assert applied.applied >= len([change for change in plan.changes if change.safety == "safe"]) > 0
    left = {finding.fingerprint for finding in holystone.check(made.target, schema=made.schema).findings}
    assert left < set(found)
    known = holystone.check(made.target, schema=made.schema, known=left)
    assert known.findings == []
    undone = holystone.undo(made.target, applied.id, schema=made.schema)
    assert (undone.applied, undone.left) == (applied.applied, 0)
    assert contents(made) == before


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_report_is_what_the_command_prints(
    prepare: Prepare, flavour: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = prepare(flavour, drifted).made
    report = holystone.check(made.target, schema=made.schema, level="deep").to_json()
    where = [made.target] if made.schema is None else [made.target, "--schema", made.schema]
    assert run(["check", *where, "--level", "deep", "--format", "json"]) == Exit.FOUND
    printed = json.loads(capsys.readouterr().out)
    for one in (report, printed):
        assert one["findings"]
        for measured in ("started_at", "duration_ms", "database_check_seconds"):
            del one[measured]
    assert report == printed


def test_a_scan_finds_as_it_goes(prepare: Prepare) -> None:
    ground = prepare("sqlite", drifted)
    scanned = scan(ground.store, level="quick")
    found = [finding.fingerprint for finding in scanned]
    assert scanned.verdict is Verdict.drift
    assert found == [one.fingerprint for one in holystone.check(ground.store, level="quick").findings]
    assert scanned.level is Level.quick


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_scan_has_no_verdict_before_its_end(prepare: Prepare, flavour: str) -> None:
    ground = prepare(flavour, drifted)
    scanned = scan(ground.store)
    with pytest.raises(UnfinishedScanError, match="has not been iterated over to its end"):
        _ = scanned.verdict
    findings = iter(scanned)
    next(findings)
    with pytest.raises(UnfinishedScanError):
        _ = scanned.verifies
    assert list(findings)
    assert scanned.verdict is Verdict.drift


def test_a_scan_that_was_left_has_no_verdict(prepare: Prepare) -> None:
    scanned = scan(prepare("sqlite", drifted).store)
    findings = scanned.__iter__()
    next(findings)
    findings.close()
    with pytest.raises(UnfinishedScanError):
        _ = scanned.verdict
    with pytest.raises(UnfinishedScanError, match="once"):
        next(iter(scanned))


def test_since_last_is_kept_where_all_is_clean(prepare: Prepare) -> None:
    made = prepare("sqlite", lambda scribe: None).made
    first, second = (holystone.check(made.target, since="last").coverage for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.since, second.since) == (None, first.verified_up_to)


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
    with pytest.raises(JournalError):
        _ = report.id


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


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a store that has drifted, `orders.db`."""
    made = tmp_path / "demo"
    subprocess.run([sys.executable, "-m", "holystone", "demo", str(made)], check=True, capture_output=True)
    (store,) = made.glob("*.db")
    store.rename(tmp_path / "orders.db")
    return tmp_path


def printed(code: str, place: Path) -> str:
    """Return what Python code prints in a process of its own: this one has another copy of SQLite."""
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_the_examples_of_the_page_run(place: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    # What is for the tests of orchestrations is run by pytest, in test_testing.py.
    first, second, third = (printed(example, place) for example in examples if "def test_" not in example)
    assert "E001" in first
    assert first.splitlines().count("drift") == first.splitlines().count("clean") == 1
    assert re.search(r"^[1-9]\d* applied, 0 left$", first, re.MULTILINE)
    assert re.search(r"^[1-9]\d* put back$", first, re.MULTILINE)
    assert second == ""
    assert third.splitlines()[-1] == "drift"


@pytest.mark.parametrize("name", ["check", "scan", "plan", "apply", "undo"])
def test_the_example_of_each_function_runs(name: str, place: Path) -> None:
    assert ">>>" in str(getattr(holystone.api, name).__doc__)
    code = f"import doctest, holystone.api\ndoctest.run_docstring_examples(holystone.api.{name}, vars())"
    assert printed(code, place) == ""

"""What `repair apply` says of a plan in a file before it acts, and whom it asks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .helpers import STALE, UNDATED, Run, Sample, assert_refused, holystone
from .terminals import on_terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def plan(run: Run, drifted: Sample, tmp_path: Path) -> Path:
    """The plan of a drifted store, in a file."""
    file = tmp_path / "plan.json"
    assert run("repair", "plan", *drifted.words, "-o", str(file)).status == 0
    return file


def test_its_age_its_maker_and_its_rows_are_told(run: Run, drifted: Sample, plan: Path) -> None:
    made = json.loads(plan.read_text())["made"]
    said = run("repair", "apply", drifted.target, str(plan), *drifted.words[1:]).out
    head, *rows = said.splitlines()[:3]
    assert re.match(rf"Plan [0-9a-f]{{16}} of {re.escape(str(plan))}, made \d{{4}}-.*Z \(\d+ s ago\) by ", head)
    assert made["by"] in head
    assert made["version"] in head
    assert sorted(rows) == [
        "  restore-completed-at  safe  1 row of executions",
        "  restore-outcome  safe  1 row of executions",
    ]


@pytest.mark.parametrize("made", [None, 7, {}, {"at_ms": "x", "by": "y", "version": "z"}], ids=repr)
def test_a_plan_that_does_not_say_can_be_applied(run: Run, drifted: Sample, plan: Path, made: object) -> None:
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "made": made}))
    result = run("repair", "apply", drifted.target, str(plan), *drifted.words[1:])
    assert result.status == 0
    assert result.out.splitlines()[0].endswith(f" of {plan}:")


def test_json_stays_one_object(run: Run, drifted: Sample, plan: Path) -> None:
    applied = run("repair", "apply", drifted.target, str(plan), *drifted.words[1:], "--format", "json")
    assert applied.json["applied"] == 2


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 2)])
def test_somebody_at_a_terminal_is_asked(
    run: Run, sqlite_store: Sample, tmp_path: Path, answer: str, status: int
) -> None:
    sqlite_store.execute(STALE + UNDATED)
    plan = str(tmp_path / "plan.json")
    assert run("repair", "plan", sqlite_store.target, "-o", plan).status == 0
    before = Path(sqlite_store.target).read_bytes()
    ended, said = on_terminal("repair", "apply", sqlite_store.target, plan, typed=answer)
    assert ended == status
    assert said.index("Plan ") < said.index("Apply it?")
    assert (Path(sqlite_store.target).read_bytes() == before) == (status == 2)


def test_nobody_is_asked_with_yes(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    sqlite_store.execute(STALE)
    plan = str(tmp_path / "plan.json")
    assert run("repair", "plan", sqlite_store.target, "-o", plan).status == 0
    ended, said = on_terminal("repair", "apply", sqlite_store.target, plan, "--yes")
    assert (ended, "Apply it?" in said) == (0, False)


def test_a_dry_run_is_a_plan(drifted: Sample) -> None:
    refused = holystone("repair", "apply", *drifted.words, "--dry-run")
    assert_refused(refused, "Next: holystone repair plan ", drifted.target.rpartition("@")[2])
    assert all(word in refused.err for word in drifted.words[1:])

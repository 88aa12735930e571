"""The time that decides is the database's: a client whose clock is wrong respects locks all the same."""

from __future__ import annotations

import ast
import re
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import holystone
from cases.work import just_now, raised_to
from catalogue.conftest import Prepare
from conftest import FLAVOURS
from holystone.demo.scribe import Scribe, completed, scheduled, started
from holystone.duroxide.tables import executions, instance_locks, orchestrator_queue
from holystone.mend import apply
from holystone.mend.apply import apply_plan
from holystone.mend.locks import BUSY, busy_instances
from holystone.mend.pace import engine_at_work
from holystone.mend.plan import make_plan
from holystone.mend.runs import read_run
from holystone.mend.undo import undo_run
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.store import Store

pytestmark = pytest.mark.slow


HELD_MS = 30_000
AHEAD_NS = 600_000_000_000


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_lock_is_held_though_the_clients_clock_is_ahead(
    flavour: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(scribe: Scribe) -> None:
        scribe.execution("held", started(), scheduled())
        now = int(time.time() * 1000)
        scribe.add(instance_locks, instance_id="held", lock_token="t", locked_until=now + HELD_MS, locked_at=now)

    store = prepare(flavour, held).store
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + AHEAD_NS)
    with store.transaction() as connection:
        assert busy_instances(store, connection, ["held"]) == {"held"}
        assert engine_at_work(store, connection)
        assert abs(store.flavour.now_ms(connection) - real() // 1_000_000) < 5_000


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_row_that_a_live_dispatcher_holds_is_not_written(
    flavour: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a client whose clock is ahead the lock seems to have lapsed long ago."""

    def held(scribe: Scribe) -> None:
        scribe.execution("held", started(), completed())
        scribe.change(executions, {"instance_id": "held"}, status="Running", output=None, completed_at=None)
        now = int(time.time() * 1000)
        scribe.add(instance_locks, instance_id="held", lock_token="t", locked_until=now + HELD_MS, locked_at=now)

    store = prepare(flavour, held).store
    monkeypatch.setattr(apply, "PATIENCE_SECONDS", 0)
    _set_clocks(monkeypatch, AHEAD_NS)
    before = _contents(store)
    report = apply_plan(store, make_plan(store, select_checks(Level.deep)))
    assert (report.run, [why for _, why in report.skipped]) == (None, [BUSY])
    assert _contents(store) == before


HOUR_NS = 3_600_000_000_000


def _early(scribe: Scribe) -> None:
    """A message that may have come a little early, one that surely has not, and an ended execution to repair."""
    just_now(scribe, scribe.message("nobody-yet", raised_to("nobody-yet")))
    scribe.message("nobody", raised_to("nobody"))
    scribe.execution("ended", started(), completed())
    scribe.change(executions, {"instance_id": "ended"}, status="Running", output=None, completed_at=None)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("apart_ns", [-HOUR_NS, HOUR_NS])
def test_clients_clock_decides_nothing(
    flavour: str, apart_ns: int, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = prepare(flavour, _early)
    before = _contents(ground.store)
    _set_clocks(monkeypatch, apart_ns)
    plan = make_plan(ground.store, select_checks(Level.deep))
    assert {change.key["instance_id"] for change in plan.changes} == {"nobody", "ended"}
    report = apply_plan(ground.store, plan, unsafe=["park-message"])
    assert (report.applied, report.skipped) == (len(plan.changes), [])
    assert {finding.instance_id for finding in Scan(ground.store, select_checks(Level.deep))} == set()
    assert report.run is not None
    undo_run(ground.store, read_run(ground.store, report.run))
    assert _contents(ground.store) == before


def _set_clocks(monkeypatch: pytest.MonkeyPatch, apart_ns: int) -> None:
    """Set all that holystone may read the client's time from, beside the clock that only measures."""
    ns, seconds = time.time_ns, time.time
    monkeypatch.setattr(time, "time_ns", lambda: ns() + apart_ns)
    monkeypatch.setattr(time, "time", lambda: seconds() + apart_ns / 1e9)

    class Apart(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Apart:
            return cls.fromtimestamp(seconds() + apart_ns / 1e9, tz)

    monkeypatch.setattr("holystone.scan.scan.datetime", Apart)


def _contents(store: Store) -> dict[str, list[Any]]:
    with store.snapshot() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in (executions, orchestrator_queue)
        }


RECORDS = {
    ("mend/apply.py", "new_run"): "when a run began, for people who read the journal",
    ("scan/watermark.py", "_scope"): "the day by which suppressions end, as written by people",
    ("scan/scan.py", "__init__"): "when a scan began, for people who read its report, and the day of suppressions",
}
"""The functions that ask the client for the time, and what for."""
READ_TIME = re.compile(r"\b(now_ms\(\)|time\.time(_ns)?\(|time\.gmtime\(|time\.localtime\(|\.now\(|\.today\(|utcnow\()")


def test_no_decision_reads_the_clients_clock() -> None:
    asked = set()
    root = Path(holystone.__file__).parent
    for file in sorted((*(root / "scan").rglob("*.py"), *(root / "mend").rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.Lambda) and READ_TIME.search(ast.unparse(node)):
                asked.add((file.relative_to(root).as_posix(), getattr(node, "name", "lambda")))
    assert asked == RECORDS.keys()

"""Stores that only the engine wrote are clean, in every state that an instance can be caught in."""

from __future__ import annotations

import pytest

from conftest import NEWEST_AND_LONG_OLDER, EngineStore, Flavour, MakeStore
from contents import contents
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.reader import RACE_WINDOW_SECONDS
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store


def findings(
    store: EngineStore, level: Level = Level.deep, race_window: int = RACE_WINDOW_SECONDS
) -> list[tuple[str, str, int | None]]:
    """Return what a scan at `level` finds, as check, instance and execution; every check must have run."""
    opened = Store.open(store.target, store.schema, read_only=True)
    scan = Scan(opened, select_checks(level), race_window=race_window)
    found = [(finding.check.id, finding.instance_id, finding.execution_id) for finding in scan]
    assert scan.verdict is not Verdict.incomplete, [result.reason for result in scan.results.values()]
    return found


@pytest.mark.parametrize("engine_version", NEWEST_AND_LONG_OLDER)
@pytest.mark.parametrize("level", [Level.quick, Level.standard, Level.deep], ids=lambda level: level.name)
def test_every_state_is_clean(engine_store: MakeStore, engine_version: str, flavour: Flavour, level: Level) -> None:
    store = engine_store(engine_version, flavour)
    before = contents(store)
    # Nobody is at work on it, so that there is no race to be patient with.
    assert findings(store, level, race_window=0) == []
    assert contents(store) == before


@pytest.mark.parametrize("engine_version", NEWEST_AND_LONG_OLDER)
def test_a_copy_has_work_to_do_and_nothing_else(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    found = {check for check, _, _ in findings(engine_store(engine_version, flavour), Level.restored)}
    assert found - {"Q021"} == {"Q020"}


def test_what_the_engine_gave_up_on_is_clean(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    # The scenario puts an event of an unknown type there, for the engine to give up on.
    found = findings(engine_store(engine_version, flavour, ["poisoned"]))
    assert found == [("H009", "poisoned-history", 1)]


def test_parent_that_is_never_told_is_stuck(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    """A fault of the engine's own: a child that breaks a limit as it ends leaves its parent waiting for good."""
    store = engine_store(engine_version, flavour, ["parent-never-told"])
    assert findings(store) == [("I007", "parent-never-told", 1)]


def test_event_to_nobody_is_found_once_it_is_no_race(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    """A fault of the engine's own: SQLite halts on the event, PostgreSQL makes an execution of it."""
    store = engine_store(engine_version, flavour, ["ghost"])
    left = ("E007", "ghost", 1) if flavour == "postgresql" else ("Q001", "ghost", None)
    assert findings(store, race_window=0) == [left]


def test_every_check_looks_at_the_workload(engine_store: MakeStore, flavour: Flavour) -> None:
    """A scan of nothing would be clean as well."""
    store = engine_store("0.2.2", flavour)
    scan = Scan(Store.open(store.target, store.schema, read_only=True), select_checks(Level.deep))
    assert list(scan) == []
    ((executions,),) = store.execute("SELECT count(*) FROM executions")
    ((instances,),) = store.execute("SELECT count(*) FROM instances")
    assert scan.scanned["executions"] == executions > 50
    assert scan.scanned["instances"] == instances > 40

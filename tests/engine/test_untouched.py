"""Stores that only the engine wrote are clean, in every state that an instance can be caught in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conftest import EngineStore, Flavour, MakeStore
from contents import contents
from holystone.scan.catalogue import checks, select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan, Verdict
from holystone.store import Store


def findings(store: EngineStore, level: Level = Level.deep) -> list[tuple[str, str, int | None]]:
    """Return what a scan at `level` finds, as check, instance and execution; every check must have run."""
    scan = Scan(Store.open(store.target, store.schema, read_only=True), select_checks(level))
    found = [(finding.check.id, finding.instance_id, finding.execution_id) for finding in scan]
    assert scan.verdict is not Verdict.incomplete, [result.reason for result in scan.results.values()]
    return found


@pytest.mark.parametrize("level", Level, ids=lambda level: level.name)
def test_every_state_is_clean(engine_store: MakeStore, engine_version: str, flavour: Flavour, level: Level) -> None:
    store = engine_store(engine_version, flavour)
    before = contents(store)
    assert findings(store, level) == []
    assert contents(store) == before


@pytest.mark.parametrize("scenarios", [["poisoned"], ["parent-never-told"]], ids=lambda names: names[0])
def test_what_the_engine_gave_up_on_is_clean(
    engine_store: MakeStore, engine_version: str, flavour: Flavour, scenarios: Sequence[str]
) -> None:
    assert findings(engine_store(engine_version, flavour, scenarios)) == []


def test_event_to_nobody_leaves_a_ghost_on_postgresql_only(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store = engine_store(engine_version, flavour, ["ghost"])
    assert findings(store) == ([("E007", "ghost", 1)] if flavour == "postgresql" else [])


def test_every_check_looks_at_the_workload(engine_store: MakeStore, flavour: Flavour) -> None:
    """A scan of nothing would be clean as well."""
    store = engine_store("0.2.2", flavour)
    scan = Scan(Store.open(store.target, store.schema, read_only=True), list(checks()))
    assert list(scan) == []
    ((executions,),) = store.execute("SELECT count(*) FROM executions")
    ((instances,),) = store.execute("SELECT count(*) FROM instances")
    assert scan.scanned["executions"] == executions > 50
    assert scan.scanned["instances"] == instances > 40

"""The published backfill on real stores: what it destroys, and that a repair in time saves it."""

from __future__ import annotations

import pytest

from conftest import ENGINES, NEWEST_AND_LONG_OLDER, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore
from contents import contents
from engine.test_untouched import findings
from holystone.cli.main import run
from holystone.demo.story import BACKFILL, OLD_ENGINE
from holystone.mend.runs import read_runs
from holystone.scan.catalogue import checks
from holystone.scan.scan import Scan
from holystone.store import Store

LIVE = ("chains", "waiting", "custom-statuses", "key-values")


def drifted(engine_store: MakeStore, version: str, flavour: Flavour) -> tuple[EngineStore, dict[str, str]]:
    """Return a store after an old engine's drift and the backfill, and the statuses that were right."""
    store = engine_store(version, flavour, LIVE)
    right = statuses(store)
    for statement in f"{OLD_ENGINE};{BACKFILL}".split(";"):
        if statement.strip():
            store.execute(statement)
    return store, right


def statuses(store: EngineStore) -> dict[str, str]:
    """Return the status of each execution, by instance and number."""
    rows = store.execute("SELECT instance_id, execution_id, status FROM executions")
    return {f"{instance} {execution}": str(status) for instance, execution, status in rows}


def live_instances(store: EngineStore) -> set[str]:
    return {name for name, expected in store.expected.items() if expected["live"]}


def instances(store: EngineStore) -> set[str]:
    return {str(name) for (name,) in store.execute("SELECT instance_id FROM instances")}


def repaired(store: EngineStore) -> None:
    assert run(["repair", "apply", *store.arguments, "--yes"]) == 0


def test_check_finds_exactly_the_wrong_rows(engine_store: MakeStore, flavour: Flavour) -> None:
    store, right = drifted(engine_store, ENGINES[-1], flavour)
    now = statuses(store)
    wrong = {key for key, status in now.items() if status != right[key]}
    assert any(right[key] == "Running" for key in wrong), "the backfill must have marked a live execution as ended"
    scan = Scan(Store.open(store.target, store.schema, read_only=True), [checks().get("E001")])
    found = {f"{f.instance_id} {f.execution_id}": (f.observed["status"], f.expected["status"]) for f in scan}
    assert found == {key: (now[key], right[key]) for key in wrong}


def test_without_repair_the_engine_destroys_live_instances(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store, _ = drifted(engine_store, engine_version, flavour)
    victims = live_instances(store)
    assert victims <= instances(store)
    store.admin("delete-bulk")
    assert victims - instances(store), "the bulk delete was expected to destroy live instances"


@pytest.mark.parametrize("engine_version", NEWEST_AND_LONG_OLDER)
def test_repaired_store_keeps_its_live_instances(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store, right = drifted(engine_store, engine_version, flavour)
    repaired(store)
    assert statuses(store) == right
    assert findings(store) == []
    live = live_instances(store)
    histories = history_of(store, live)
    for name in sorted(live):
        with pytest.raises(Exception, match=r"(?i)running|active|force"):
            store.admin("delete-instance", name)
    store.admin("delete-bulk")
    assert instances(store) == live | ancestors(store, live)
    assert history_of(store, live) == histories


def history_of(store: EngineStore, names: set[str]) -> list[tuple[object, ...]]:
    rows = store.execute("SELECT instance_id, execution_id, event_id, event_data FROM history")
    return sorted(row for row in rows if row[0] in names)


def ancestors(store: EngineStore, names: set[str]) -> set[str]:
    """Return the instances that are kept because a live one is their child."""
    parents = dict(store.execute("SELECT instance_id, parent_instance_id FROM instances"))
    found: set[str] = set()
    for name in names:
        while (parent := parents.get(name)) is not None:
            found.add(str(parent))
            name = str(parent)
    return found


def test_undo_brings_the_drift_back_to_the_byte(engine_store: MakeStore, flavour: Flavour) -> None:
    store, _ = drifted(engine_store, ENGINES[-1], flavour)
    before = contents(store)
    repaired(store)
    assert contents(store) != before
    latest = read_runs(Store.open(store.target, store.schema, read_only=True))[0].run_id
    assert run(["repair", "undo", *store.arguments[:1], latest, *store.arguments[1:], "--yes"]) == 0
    assert contents(store) == before


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_engine_finishes_the_live_instances_after_the_repair(engine_store: MakeStore, flavour: Flavour) -> None:
    store, _ = drifted(engine_store, ENGINES[-1], flavour)
    repaired(store)
    store.run("run", "--seconds", "2")
    assert findings(store) == []

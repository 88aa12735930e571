"""The engine's management side and holystone's say and do the same, on a store that both have written to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from conftest import ENGINES, EngineStore, Flavour, MakeStore, Serve, copy_sqlite
from contents import contents
from engine.test_untouched import findings
from holystone.clock import now_ms
from holystone.store import Store
from holystone.store.turns.records import ExecutionInfo, InstanceFilter, InstanceInfo
from turns.kit import Kit
from turns.shared.runtime import Runtime

SCENARIOS = ("chains", "failed", "key-values", "parent-waiting", "timers", "waiting")
"""What the engine leaves in the store, ended and waiting; holystone does the same again under other ids."""
TOO_LATE_MS = 3_600_000

pytestmark = pytest.mark.parametrize(
    "engine_version", [pytest.param(ENGINES[0], marks=pytest.mark.long), *ENGINES[1:]], indirect=True
)


@dataclass(frozen=True)
class Twins:
    """Two copies of a store: one for the engine's own operations, one for holystone's."""

    engines: EngineStore
    ours: EngineStore

    @property
    def store(self) -> Store:
        return Store.open(self.ours.target, self.ours.schema)

    def require_same_contents(self) -> None:
        theirs, ours = contents(self.engines), contents(self.ours)
        assert theirs.keys() == ours.keys()
        for table, rows in theirs.items():
            assert ours[table] == rows, table


@pytest.fixture
def twins(
    engine_store: MakeStore, engine_version: str, flavour: Flavour, servers: Serve, tmp_path: Path
) -> Iterator[Twins]:
    made = engine_store(engine_version, flavour, SCENARIOS)
    go_on(made)
    if flavour == "sqlite":
        file = tmp_path / "twin.db"
        copy_sqlite(Path(made.target), file)
        yield Twins(made, replace(made, target=str(file)))
    else:
        original = conninfo_to_dict(made.target)["dbname"]
        database = f"{original}_twin"
        url = servers(0).create_database(database, template=str(original))
        yield Twins(made, replace(made, target=url))
        servers(0).drop_database(database)


def go_on(made: EngineStore) -> None:
    """Let holystone finish some of what the engine began, and begin, finish and leave waiting some of its own."""
    store = Store.open(made.target, made.schema)
    kit, runtime = Kit(store), Runtime(store)
    for instance in ("chain-waiting", "kv-carried", "waiting"):
        kit.poke(instance)
    kit.start("ours-chain", "Chain", input=json.dumps({"number": 1, "last": 4}))
    kit.start("ours-chain-waiting", "Chain", input=json.dumps({"number": 1, "last": 3, "wait": True}))
    kit.start("ours-grandparent", "Grandparent", input="null")
    kit.start("ours-parent-waiting", "ParentOfWaiting", input="null")
    kit.start("ours-timer", "Timer", input="2592000000")
    kit.start("ours-cancelled", "WaitForGo", input="null")
    runtime.run()
    kit.send("CancelInstance", instance="ours-cancelled", reason="enough")
    runtime.run()
    store.close()


def test_both_say_the_same(twins: Twins) -> None:
    made, store = twins.engines, Store.open(twins.engines.target, twins.engines.schema, read_only=True)
    assert findings(made) == []
    assert asdict(store.get_system_metrics()) == made.admin("metrics")
    assert asdict(store.get_queue_depths()) == {
        name: depth for name, depth in made.admin("depths").items() if name in asdict(store.get_queue_depths())
    }
    for status, instances in made.admin("by-status").items():
        assert sorted(store.list_instances_by_status(status)) == sorted(instances), status
    for instance, said in made.admin("instances").items():
        executions = said.pop("executions")
        assert seen(made, store.get_instance_info(instance)) == said
        numbers = store.list_execution_ids(instance)
        assert [seen(made, store.get_execution_info(instance, number)) for number in numbers] == executions


def seen(made: EngineStore, info: InstanceInfo | ExecutionInfo) -> dict[str, Any]:
    """Return what we say as the engine does, which on SQLite takes NULL for nothing, and cannot read its moments."""
    said = asdict(info)
    if made.flavour == "postgresql":
        return said
    unread = dict.fromkeys(("created_at", "updated_at", "started_at"), 0)
    nothing = {"output": said["output"] or "", "completed_at": said.get("completed_at") or 0}
    return {name: {**said, **unread, **nothing}[name] for name in said}


def test_both_remove_the_same(twins: Twins) -> None:
    store = twins.store
    twins.engines.admin("delete-instance", "--force", "ours-parent-waiting")
    store.delete_instance("ours-parent-waiting", force=True)
    twins.require_same_contents()
    for instance in ("chain-finished", "ours-chain-waiting"):
        twins.engines.admin("prune", "--keep", "2", instance)
        store.prune_executions(instance, keep_last=2)
    twins.require_same_contents()
    limit = now_ms() + TOO_LATE_MS
    twins.engines.admin("delete-bulk", "--before", str(limit))
    store.delete_instance_bulk(InstanceFilter(completed_before=limit))
    twins.require_same_contents()
    assert findings(twins.engines) == findings(twins.ours) == []
    assert sorted(store.list_instances_by_status("Running")) == sorted(store.list_instances())
    store.close()

"""What damaged queues and keys do to the real engine, and that it runs on once they are repaired."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents, rows
from engine.test_untouched import findings
from holystone.cli.main import run
from holystone.mend.runs import read_runs
from holystone.store import Store

pytestmark = pytest.mark.long

LATEST = ENGINES[-1]


def put(store: EngineStore, queue: str, item: Mapping[str, Any] | str, **columns: Any) -> None:
    """Put a message in a queue behind the engine's back, due now."""
    values = {"work_item": item if isinstance(item, str) else json.dumps(item), **columns}
    if store.flavour == "sqlite":
        values = {"visible_at": int(time.time() * 1000), **values}
    else:
        values |= dict.fromkeys(("visible_at", "created_at"), datetime.now(UTC))
    places = ", ".join("?" * len(values))
    store.execute(f"INSERT INTO {queue} ({', '.join(values)}) VALUES ({places})", *values.values())


def repaired(store: EngineStore) -> None:
    options = ["--yes", "--unsafe", "park-message", "--race-window", "0", "--level", "deep"]
    assert run(["repair", "apply", *store.arguments, *options]) == 0
    assert findings(store, race_window=0) == []


def undone(store: EngineStore) -> None:
    latest = read_runs(Store.open(store.target, store.schema, read_only=True))[0].run_id
    assert run(["repair", "undo", *store.arguments[:1], latest, *store.arguments[1:], "--yes"]) == 0


def statuses_after_a_while(store: EngineStore) -> dict[str, str]:
    """Return what has become of all instances once the engine has run, a new one among them."""
    store.run("start", "after", "Work", "1")
    store.run("run", "--seconds", "1.5")
    return {name: one["status"] for name, one in store.admin("statuses").items()}


# --- messages that harm the engine; each is for an instance of the scenario `waiting`, or for none


def dead_letter(store: EngineStore) -> None:
    raised = {"instance": "nobody", "name": "go", "data": "1"}
    put(store, "orchestrator_queue", {"ExternalRaised": raised}, instance_id="nobody")


def unreadable(store: EngineStore) -> None:
    if store.flavour == "sqlite":
        put(store, "worker_queue", "not JSON", instance_id="waiting", execution_id=1, activity_id=9)
    else:
        put(store, "orchestrator_queue", "not JSON", instance_id="waiting")


def stray_answer(store: EngineStore) -> None:
    answer = {"instance": "waiting", "execution_id": 1, "id": 2, "result": "1"}
    put(store, "orchestrator_queue", {"ActivityCompleted": answer}, instance_id="waiting")


def unscheduled_activity(store: EngineStore) -> None:
    identity = {"instance_id": "waiting-after-work", "execution_id": 1}
    item = {"instance": "waiting-after-work", "execution_id": 1, "id": 9, "name": "Echo", "input": "1"}
    put(store, "worker_queue", {"ActivityExecute": item}, **identity, activity_id=9)


def orphaned_activity(store: EngineStore) -> None:
    item = {"instance": "nobody", "execution_id": 1, "id": 2, "name": "Echo", "input": "1"}
    put(store, "worker_queue", {"ActivityExecute": item}, instance_id="nobody", execution_id=1, activity_id=2)


HARMS: dict[str, tuple[Callable[[EngineStore], None], list[str], dict[Flavour, dict[str, str | None]]]] = {
    "dead-letter": (dead_letter, ["Q001"], {"sqlite": {"after": None}, "postgresql": {"after": "Completed"}}),
    "unreadable": (unreadable, ["Q002"], {"sqlite": {"after": "Running"}, "postgresql": {"after": None}}),
    "stray-answer": (
        stray_answer,
        ["Q008"],
        {"sqlite": {"waiting": "Failed"}, "postgresql": {"waiting": "Failed"}},
    ),
    "unscheduled-activity": (
        unscheduled_activity,
        ["Q003"],
        {"sqlite": {"waiting-after-work": "Failed"}, "postgresql": {"waiting-after-work": "Failed"}},
    ),
    "orphaned-activity": (
        orphaned_activity,
        ["Q003"],
        {"sqlite": {"after": None}, "postgresql": {"after": "Completed"}},
    ),
}
"""Damage -> what makes it, which checks find it, and what the engine makes of the instances then."""


@pytest.mark.long
@pytest.mark.parametrize("harm", HARMS)
def test_engine_is_harmed(engine_store: MakeStore, engine_version: str, flavour: Flavour, harm: str) -> None:
    store = engine_store(engine_version, flavour, ["waiting"])
    make, checks, becomes = HARMS[harm]
    make(store)
    assert [check for check, _, _ in findings(store, race_window=0)] == checks
    # First alone with the damage: beside new work, chance would say which of the two the engine takes up first.
    store.run("run", "--seconds", "1")
    statuses = statuses_after_a_while(store)
    assert {name: statuses.get(name) for name in becomes[flavour]} == becomes[flavour]
    if make in (dead_letter, orphaned_activity) and flavour == "postgresql":
        assert store.execute("SELECT status FROM executions WHERE instance_id = 'nobody'") == [("Running",)]


def test_repaired_store_runs_on(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["waiting"])
    for make, _, _ in HARMS.values():
        make(store)
    damaged = contents(store)
    repaired(store)
    undone(store)
    assert contents(store) == damaged
    repaired(store)
    statuses = statuses_after_a_while(store)
    running = {"waiting": "Running", "waiting-after-work": "Running"}
    assert statuses == {"after": "Completed", "waiting-answered": "Completed", **running}
    assert store.execute("SELECT 1 FROM executions WHERE instance_id = 'nobody'") == []


def test_halted_store_runs_on(engine_store: MakeStore) -> None:
    store = engine_store(LATEST, "sqlite", ["halted"])
    assert findings(store, race_window=0) == [("Q001", "halted-cause", None)]
    store.run("run", "--seconds", "1")
    assert store.admin("statuses") == {}
    repaired(store)
    store.run("run", "--seconds", "1")
    assert {name: one["status"] for name, one in store.admin("statuses").items()} == {"halted-victim": "Completed"}


def test_messages_find_their_instances_again(engine_store: MakeStore) -> None:
    store = engine_store(LATEST, "sqlite", ["waiting"])
    raised = {"name": "go", "data": "1"}
    put(store, "orchestrator_queue", {"ExternalRaised": {"instance": "waiting", **raised}}, instance_id="nobody")
    # As the column has it where none is given: a text, which is later than every number.
    late = {"ExternalRaised": {"instance": "waiting-after-work", **raised}}
    put(store, "orchestrator_queue", late, instance_id="waiting-after-work", visible_at="2025-10-10 08:00:00")
    assert sorted(check for check, _, _ in findings(store, race_window=0)) == ["Q007", "Q009"]
    repaired(store)
    assert set(statuses_after_a_while(store).values()) == {"Completed"}


def test_message_is_given_up_with_the_eleventh_attempt(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["not-started"])
    for instance, attempts in (("not-started", 9), ("not-started-event", 10)):
        statement = "UPDATE orchestrator_queue SET attempt_count = ? WHERE instance_id = ?"
        store.execute(statement, attempts, instance)
    found = {(check, instance) for check, instance, _ in findings(store)}
    assert found == {("Q006", "not-started"), ("Q006", "not-started-event")}
    statuses = statuses_after_a_while(store)
    assert (statuses["not-started"], statuses["not-started-event"]) == ("Completed", "Failed")
    assert findings(store) == []


# --- keys


def keys(store: EngineStore) -> dict[str, list[tuple[object, ...]]]:
    return {table: rows(store, table) for table in ("kv_store", "kv_delta")}


def test_keys_are_what_the_engine_wrote_again(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["key-values"])
    wrote = keys(store)
    store.execute("UPDATE kv_store SET value = 'by hand' WHERE instance_id = 'kv-carried' AND key = 'kept'")
    store.execute("DELETE FROM kv_store WHERE instance_id = 'kv-finished'")
    store.execute("DELETE FROM kv_delta WHERE instance_id = 'kv-live' AND value IS NOT NULL")
    store.execute("UPDATE kv_delta SET value = '1' WHERE instance_id = 'kv-carried' AND key = 'cleared'")
    assert findings(store) == [("K003", name, None) for name in ("kv-carried", "kv-finished", "kv-live")]
    damaged = keys(store)
    repaired(store)
    assert [key for key in wrote["kv_store"] if key not in keys(store)["kv_store"]] == []
    assert len(keys(store)["kv_delta"]) == len(wrote["kv_delta"])
    assert store.admin("kv", "kv-carried", "kept") == "first"
    assert store.admin("kv", "kv-carried", "cleared") is None
    undone(store)
    assert keys(store) == damaged


def test_leftover_keys_are_merged_as_the_engine_does(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ["key-values"])
    wrote = keys(store)
    # As if the end of the execution had not merged them.
    ended = "WHERE instance_id IN ('kv-finished', 'kv-finished-cleared')"
    names = "instance_id, key, value, last_updated_at_ms"
    store.execute(f"INSERT INTO kv_delta ({names}) SELECT {names} FROM kv_store {ended}")
    store.execute(f"DELETE FROM kv_store {ended}")
    found = {check for check, _, _ in findings(store)}
    assert found == {"K001"}
    repaired(store)
    assert keys(store) == wrote

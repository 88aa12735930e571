"""The harness holds what it says: the stores that other tests rely on really are in the states they name."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from typing import Any

import psycopg
import pytest

from conftest import EngineStore, Flavour, MakePlace, MakeStore
from engine.engines import ENGINES, run_driver, start_driver
from postgresql import RunningServer, Server

TERMINAL = ("OrchestrationCompleted", "OrchestrationFailed", "OrchestrationContinuedAsNew")


@pytest.fixture
def store(engine_version: str, flavour: Flavour, engine_store: MakeStore) -> EngineStore:
    """The whole default workload, for each version of the engine and each flavour."""
    return engine_store(engine_version, flavour)


def history(store: EngineStore, instance: str) -> list[dict[str, Any]]:
    """All events of an instance, in order."""
    rows = store.execute(
        "SELECT event_data FROM history WHERE instance_id = ? ORDER BY execution_id, event_id", instance
    )
    return [json.loads(data) for (data,) in rows]


def types(store: EngineStore, instance: str) -> list[str]:
    """The types of all events of an instance, in order."""
    return [event["type"] for event in history(store, instance)]


def messages(store: EngineStore, instance: str) -> list[str]:
    """The kinds of the messages that wait for an instance, in the order they came."""
    rows = store.execute("SELECT work_item FROM orchestrator_queue WHERE instance_id = ? ORDER BY id", instance)
    return [next(iter(json.loads(item))) for (item,) in rows]


def test_engine_versions_differ() -> None:
    assert len(set(ENGINES)) == len(ENGINES) == 2


def test_workload_is_what_it_says(store: EngineStore) -> None:
    columns = store.admin("instances")
    found = {
        instance: (one["status"], [execution["execution_id"] for execution in one["executions"]])
        for instance, one in columns.items()
    }
    promised = {
        instance: (one["status"], one["executions"])
        for instance, one in store.expected.items()
        if one["status"] not in ("not-started", "deleted")
    }
    assert found == promised


def test_status_api_agrees(store: EngineStore) -> None:
    statuses = {instance: one["status"] for instance, one in store.admin("statuses").items()}
    for instance, one in store.expected.items():
        # The engine reads a finished history that continued as new as one that still runs.
        shown = {"ContinuedAsNew": "Running", "not-started": None, "deleted": None}
        assert statuses.get(instance) == shown.get(one["status"], one["status"]), instance


def test_workload_has_every_status(store: EngineStore) -> None:
    counts = Counter(one["status"] for one in store.expected.values())
    assert set(counts) == {"Completed", "Failed", "Running", "ContinuedAsNew", "not-started", "deleted"}
    live = {one["status"] for one in store.expected.values() if one["live"]}
    assert live == {"Running", "ContinuedAsNew", "not-started"}


def test_not_started_has_messages_but_no_row(store: EngineStore) -> None:
    for instance, one in store.expected.items():
        if one["status"] == "not-started":
            assert store.execute("SELECT 1 FROM instances WHERE instance_id = ?", instance) == []
            assert messages(store, instance)[0] == "StartOrchestration"


def test_deleted_leaves_nothing(store: EngineStore) -> None:
    tables = ["instances", "executions", "history", "orchestrator_queue", "worker_queue", "instance_locks"]
    for instance, one in store.expected.items():
        if one["status"] == "deleted":
            for table in [*tables, "kv_store", "kv_delta"]:
                assert store.execute(f"SELECT 1 FROM {table} WHERE instance_id = ?", instance) == []


@pytest.mark.parametrize("instance", ["between-stopped", "between-in-flight", "between-backed-off"])
def test_caught_between_executions(store: EngineStore, instance: str) -> None:
    assert store.execute("SELECT execution_id, status FROM executions WHERE instance_id = ? ORDER BY 1", instance) == [
        (1, "ContinuedAsNew")
    ]
    assert types(store, instance)[-1] == "OrchestrationContinuedAsNew"
    assert messages(store, instance) == ["ContinueAsNew"]


def test_between_stopped_is_not_taken(store: EngineStore) -> None:
    rows = store.execute(
        "SELECT attempt_count, lock_token FROM orchestrator_queue WHERE instance_id = 'between-stopped'"
    )
    assert rows == [(0, None)]


def test_turns_in_flight_hold_their_locks(store: EngineStore) -> None:
    locked = {instance for (instance,) in store.execute("SELECT instance_id FROM instance_locks")}
    assert {"turn-in-flight-first", "turn-in-flight-later", "between-in-flight"} <= locked
    for instance in locked:
        token = store.execute("SELECT lock_token FROM instance_locks WHERE instance_id = ?", instance)
        stamped = store.execute("SELECT DISTINCT lock_token FROM orchestrator_queue WHERE instance_id = ?", instance)
        assert token == stamped


def test_activities_in_flight_hold_their_locks(store: EngineStore) -> None:
    rows = store.execute("SELECT work_item FROM worker_queue WHERE lock_token IS NOT NULL")
    items = [json.loads(item)["ActivityExecute"]["instance"] for (item,) in rows]
    assert {"activity-in-flight", "activity-in-flight-on-session"} <= set(items)


def test_delayed_messages_outlive_their_orchestration(store: EngineStore) -> None:
    assert store.expected["race-lost-by-timer"]["status"] == "Completed"
    assert messages(store, "race-lost-by-timer") == ["TimerFired"]


def test_unregistered_are_backed_off(store: EngineStore) -> None:
    for instance in ("unregistered", "unregistered-version"):
        ((attempts,),) = store.execute("SELECT attempt_count FROM orchestrator_queue WHERE instance_id = ?", instance)
        assert attempts >= 1


def test_live_keys_are_in_the_delta(store: EngineStore) -> None:
    delta = dict(store.execute("SELECT key, value FROM kv_delta WHERE instance_id = 'kv-carried'"))
    assert delta == {"overwritten": "second", "cleared": None, "new": "second"}
    kept = dict(store.execute("SELECT key, value FROM kv_store WHERE instance_id = 'kv-carried'"))
    assert kept == {"kept": "first", "overwritten": "first", "cleared": "first"}


def test_custom_status_is_carried(store: EngineStore) -> None:
    statuses = dict(store.execute("SELECT instance_id, custom_status FROM instances"))
    assert statuses["status-carried"] == "from the first execution"
    assert statuses["status-carried-reset"] is None
    assert statuses["status-reset"] is None
    assert statuses["status-set-again"] == "🧽"


def test_pruned_begins_late(store: EngineStore) -> None:
    executions = store.execute("SELECT DISTINCT execution_id FROM history WHERE instance_id = 'pruned-live'")
    assert sorted(executions) == [(4,), (5,)]


def test_kinds_of_failure(store: EngineStore) -> None:
    output = dict(store.execute("SELECT instance_id, output FROM executions WHERE status = 'Failed'"))
    assert output["cancelled-reason"] == 'canceled: it\'s "over" 🧽'
    assert output["panicked"].startswith("orchestration panicked: ")
    assert output["nondeterministic"].startswith("nondeterministic: ")
    if store.flavour == "postgresql":
        assert output["infrastructure"].startswith("infrastructure:")


def test_events_after_a_terminal_one(store: EngineStore) -> None:
    """Not drift: the engine itself writes these."""
    assert types(store, "outstanding-canceled")[-2:] == ["OrchestrationFailed", "ActivityCancelRequested"]
    assert types(store, "limit-status-end")[-2:] == ["OrchestrationCompleted", "OrchestrationFailed"]
    assert types(store, "limit-keys-continue")[-2:] == ["OrchestrationContinuedAsNew", "OrchestrationFailed"]


def test_workload_has_every_event_type(store: EngineStore) -> None:
    rows = store.execute("SELECT event_data FROM history")
    assert {json.loads(data)["type"] for (data,) in rows} == {
        *TERMINAL,
        "ActivityCancelRequested",
        "ActivityCompleted",
        "ActivityFailed",
        "ActivityScheduled",
        "CustomStatusUpdated",
        "ExternalEvent",
        "ExternalEventPersistent",
        "ExternalSubscribed",
        "ExternalSubscribedCancelled",
        "ExternalSubscribedPersistent",
        "ExternalSubscribedPersistentCancelled",
        "KeyValueCleared",
        "KeyValueSet",
        "KeyValuesCleared",
        "OrchestrationCancelRequested",
        "OrchestrationChained",
        "OrchestrationStarted",
        "SubOrchestrationCancelRequested",
        "SubOrchestrationCompleted",
        "SubOrchestrationFailed",
        "SubOrchestrationScheduled",
        "TimerCreated",
        "TimerFired",
    }


def test_copies_are_independent(flavour: Flavour, engine_store: MakeStore) -> None:
    first, second = (engine_store(ENGINES[-1], flavour, ["completed"]) for _ in range(2))
    first.execute("UPDATE executions SET status = 'Running'")
    assert first.admin("list-by-status", "Completed") == []
    assert sorted(second.admin("list-by-status", "Completed")) == sorted(second.expected)


def test_live_instances_go_on(store: EngineStore) -> None:
    store.run("raise-event", "waiting", "go", json.dumps({"answer": 42}))
    store.run("raise-event", "status-carried", "go", "null")
    # The locks of turns in flight outlive the process that held them by five seconds.
    store.execute("UPDATE instance_locks SET locked_until = 0")
    ended = ("waiting", "status-carried", "not-started", "message-waiting-event", "turn-in-flight-first")
    for _ in range(5):  # a busy machine takes longer than others
        store.run("run", "--seconds", "2")
        statuses = store.admin("statuses")
        if all(statuses[instance]["status"] == "Completed" for instance in ended):
            break
    for instance in ended:
        assert statuses[instance]["status"] == "Completed", instance
    assert statuses["waiting"]["output"] == {"answer": 42}
    assert statuses["message-waiting-cancel"]["status"] == "Failed"
    for instance in ("between-stopped", "between-in-flight"):
        assert store.execute("SELECT max(execution_id) FROM executions WHERE instance_id = ?", instance) == [(2,)]


def test_admin_accepts_awkward_ids(store: EngineStore) -> None:
    for instance in ("-leading-dash", "--schema=elsewhere", "line\nbreak\r\ntab\t", "🧽 sponge and ẞ"):
        assert store.admin("status", "--", instance)["status"] == "Completed"
    assert store.admin("delete-instance", "--force", "--", "-leading-dash waiting")["instances_deleted"] == 2


def test_empty_store(engine_version: str, flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(engine_version, flavour, [])
    assert store.admin("metrics")["total_instances"] == 0


def test_poisoned(engine_version: str, flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(engine_version, flavour, ["poisoned"])
    last = history(store, "poisoned-history")[-1]
    assert (last["event_id"], last["type"]) == (99999, "OrchestrationFailed")
    assert types(store, "poisoned-message") == ["OrchestrationStarted", "OrchestrationFailed"]
    output = dict(store.execute("SELECT instance_id, output FROM executions"))
    assert all(output[instance].startswith("poison: ") for instance in store.expected)


def test_faults_of_the_engine(engine_version: str, flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(engine_version, flavour, ["ghost"])
    ghosts = store.execute("SELECT instance_id, status FROM executions")
    assert ghosts == ([("ghost", "Running")] if flavour == "postgresql" else [])
    assert messages(store, "ghost") == ([] if flavour == "postgresql" else ["ExternalRaised"])
    halted = engine_store(engine_version, flavour, ["halted"])
    assert messages(halted, "halted-victim") == ["StartOrchestration"]
    failed = engine_store(engine_version, flavour, ["ghost-failed"])
    rows = failed.execute("SELECT instance_id FROM instances")
    assert rows == ([] if flavour == "postgresql" else [("ghost-failed",)])
    untold = engine_store(engine_version, flavour, ["parent-never-told"])
    assert messages(untold, "parent-never-told") == []


def test_load_can_be_killed(flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], flavour, [])
    process = store.start("load", "--seconds", "60")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"ready": True}
    deadline = time.monotonic() + 30
    while store.execute("SELECT count(*) FROM executions")[0][0] < 50:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_older_store_under_newer_engine(flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[0], flavour, ["waiting"])
    run_driver(ENGINES[-1], "raise-event", *store.arguments, "waiting", "go", "1")
    run_driver(ENGINES[-1], "run", *store.arguments, "--seconds", "1")
    assert store.execute("SELECT status FROM executions WHERE instance_id = 'waiting'") == [("Completed",)]


def test_driver_starts_as_a_process(engine_version: str, tmp_path: Any) -> None:
    process = start_driver(engine_version, "create", tmp_path / "store.db")
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(printed) == {"created": str(tmp_path / "store.db")}


def test_each_server_serves_the_engine(each_postgresql: Server | RunningServer) -> None:
    name = f"holystone_each_{os.getpid()}"
    url = each_postgresql.create_database(name)
    try:
        expected = run_driver(ENGINES[-1], "workload", url, "--schema", "engine", "--only", "completed")
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT count(*) FROM engine.instances").fetchone()
        assert rows == (len(expected),)
        assert each_postgresql.version[0].isdigit()
    finally:
        each_postgresql.drop_database(name)


def test_places_are_empty(postgresql_schema: MakePlace) -> None:
    first, second = postgresql_schema(), postgresql_schema("else where")
    assert first.target != second.target
    run_driver(ENGINES[-1], "create", *first.arguments)
    with psycopg.connect(second.target) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname IN ('engine', 'else where')")
        assert tables.fetchall() == []

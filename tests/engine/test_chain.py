"""A chain whose next message is lost: found, and taken on by the very message that the engine had written."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.cli.main import run
from holystone.duroxide.releases import NEWEST_WRITES
from holystone.scan.reader import Reader
from holystone.scan.relations.continuations import chain_end
from holystone.store import Store, WorkItem

pytestmark = pytest.mark.long

MOST_CARRIED_FORWARD = NEWEST_WRITES.limits["carried forward events"]
REQUEUE = "requeue-continue-as-new"

# What the engine queues is there for some milliseconds only.
KEEP = {
    "sqlite": [
        "CREATE TABLE kept (work_item TEXT)",
        "CREATE TRIGGER keep AFTER INSERT ON orchestrator_queue WHEN NEW.work_item LIKE '{\"ContinueAsNew\"%'"
        " BEGIN INSERT INTO kept VALUES (NEW.work_item); END",
    ],
    "postgresql": [
        "CREATE TABLE kept (work_item TEXT)",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO engine.kept VALUES (NEW.work_item); RETURN NEW; END'",
        "CREATE TRIGGER keep AFTER INSERT ON orchestrator_queue FOR EACH ROW"
        " WHEN (NEW.work_item LIKE '{\"ContinueAsNew\"%') EXECUTE FUNCTION keep()",
    ],
}


def lost(store: EngineStore) -> None:
    """Take away the message that would begin the next execution of `between-stopped`."""
    store.execute("DELETE FROM orchestrator_queue WHERE instance_id = 'between-stopped'")


def executions(store: EngineStore) -> list[tuple[Any, ...]]:
    return store.execute(
        "SELECT execution_id, status FROM executions WHERE instance_id = 'between-stopped' ORDER BY execution_id"
    )


def test_engine_never_goes_on_without_the_message(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store = engine_store(engine_version, flavour, ["between-stopped"])
    lost(store)
    store.run("raise-event", "between-stopped", "go", "1")
    store.run("run", "--seconds", "2")
    assert executions(store) == [(1, "ContinuedAsNew")]
    assert findings(store) == [("I006", "between-stopped", 1)]


def test_lost_chain_goes_on_after_the_repair(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ["between-stopped"])
    lost(store)
    assert findings(store) == [("I006", "between-stopped", 1)]
    assert run(["repair", "apply", *store.arguments, "--yes"]) == 1, "it is not done without being asked for by name"
    assert findings(store) == [("I006", "between-stopped", 1)]
    assert run(["repair", "apply", *store.arguments, "--yes", "--unsafe", REQUEUE]) == 0
    assert findings(store) == []
    store.run("run-until", "--events", '[["between-stopped", 2, 2]]')
    store.run("raise-event", "between-stopped", "go", '"late"')
    store.run("run-until", "--events", '[["between-stopped", 2, 4]]')
    assert executions(store) == [(1, "ContinuedAsNew"), (2, "Completed")]
    assert findings(store) == []
    status = store.admin("status", "between-stopped")
    assert (status["output"], status["custom_status"]) == ("late", "carried over")
    assert store.admin("kv", "between-stopped", "carried") == "over"


@pytest.mark.parametrize("is_behind", [False, True])
def test_lost_row_of_a_chain_is_not_taken_for_a_lost_message(
    engine_store: MakeStore, flavour: Flavour, is_behind: bool
) -> None:
    """The execution that the message would begin is there, but for its row: with both, its activities run again."""
    store = engine_store(ENGINES[-1], flavour, ["chains"])
    store.execute("DELETE FROM executions WHERE instance_id = 'chain-waiting' AND execution_id = 3")
    if is_behind:
        store.execute("UPDATE instances SET current_execution_id = 2 WHERE instance_id = 'chain-waiting'")
        assert ("I006", "chain-waiting", 2) in findings(store)
    asked = activities(store)
    apply = ["repair", "apply", *store.arguments, "--yes", "--unsafe", REQUEUE]
    assert run(apply) == int(is_behind)
    assert store.execute("SELECT id FROM orchestrator_queue") == []
    if is_behind:
        # Whether the history is of this life of the instance, people have to say.
        assert run([*apply, "--unsafe", "restore-execution"]) == 0
        assert run(apply) == 0  # which the row of instances follows
    assert findings(store) == []
    store.run("raise-event", "chain-waiting", "go", "1")
    store.run("run", "--seconds", "1.5")
    status = store.admin("status", "chain-waiting")
    assert (status["status"], status["output"]) == ("Completed", {"last": 3})
    assert activities(store) == asked == [(number, "Double") for number in (1, 2, 3)]


def test_lost_row_and_lost_message_of_one_execution_come_back_one_after_the_other(
    engine_store: MakeStore, flavour: Flavour
) -> None:
    """No message is queued again while a history has no execution; then it is, and the engine goes on as ever."""
    store = engine_store(ENGINES[-1], flavour, ["between-stopped"])
    lost(store)
    store.execute("DELETE FROM executions WHERE instance_id = 'between-stopped'")
    assert [check for check, *_ in findings(store)] == ["H008", "I002"]
    assert run(["repair", "apply", *store.arguments, "--yes", "--unsafe", REQUEUE]) == 1
    assert [check for check, *_ in findings(store)] == ["H008", "I002"]
    assert run(["repair", "apply", *store.arguments, "--yes", "--unsafe", "restore-execution"]) == 0
    assert findings(store) == [("I006", "between-stopped", 1)]
    assert store.execute("SELECT id FROM orchestrator_queue") == []
    assert run(["repair", "apply", *store.arguments, "--yes", "--unsafe", REQUEUE]) == 0
    store.run("run-until", "--events", '[["between-stopped", 2, 2]]')
    store.run("raise-event", "between-stopped", "go", '"late"')
    store.run("run-until", "--events", '[["between-stopped", 2, 4]]')
    assert executions(store) == [(1, "ContinuedAsNew"), (2, "Completed")]
    assert findings(store) == []


def activities(store: EngineStore) -> list[tuple[Any, ...]]:
    """Return execution and name of each activity that `chain-waiting` has asked for."""
    of = "SELECT execution_id, event_data FROM history WHERE instance_id = 'chain-waiting' ORDER BY execution_id"
    events = [(number, json.loads(str(text))) for number, text in store.execute(of)]
    return [(number, event["name"]) for number, event in events if event["type"] == "ActivityScheduled"]


@pytest.mark.long
def test_message_is_the_one_that_the_engine_wrote(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    """Of chains of every kind: with letters and statuses, of children, at a shutdown, between versions."""
    store = engine_store(engine_version, flavour, ())
    for statement in KEEP[flavour]:
        store.execute(statement)
    scenarios = ["chains", "chain-upgraded", "custom-statuses", "parents", "queue-carried", "races-all-lost"]
    store.run("workload", "--only", ",".join([*scenarios, "between-stopped"]))
    continue_with_more_letters_than_are_carried(store)
    written = [WorkItem.from_json(str(text)) for (text,) in store.execute("SELECT work_item FROM kept")]
    store.execute("DELETE FROM orchestrator_queue")
    opened, seen = Store.open(store.target, store.schema, read_only=True), Counter[str | None]()
    with opened.snapshot() as connection:
        for message in written:
            seen[message.instance_id] += 1
            assert message.instance_id is not None
            end = chain_end(Reader(opened, connection), message.instance_id, seen[message.instance_id], 0)
            assert end.message is not None
            # No event says which version was asked for.
            assert end.message.fields == {**message.fields, "version": None}
    assert {"parent-of-chain::sub::2", "between-stopped", "queue-carried", "status-carried"} <= set(seen)
    assert {message.fields["version"] for message in written} == {None, "2.0.0"}
    assert max(len(message.fields["carry_forward_events"]) for message in written) == MOST_CARRIED_FORWARD


def continue_with_more_letters_than_are_carried(store: EngineStore) -> None:
    legs = [["queue", "letters"], ["event", "go"], ["again", None], ["event", "go"]]
    start = json.dumps([["many-letters", "Relay", {"legs": legs}]])
    store.run("run-until", "--events", '[["many-letters", 1, 2]]', "--start", start)
    opened = Store.open(store.target, store.schema)
    for number in range(MOST_CARRIED_FORWARD + 3):
        opened.enqueue_for_orchestrator(
            WorkItem.new("QueueMessage", instance="many-letters", name="letters", data=str(number))
        )
    opened.close()
    store.run("run-until", "--events", f'[["many-letters", 1, {MOST_CARRIED_FORWARD + 6}]]')
    store.run("raise-event", "many-letters", "go", "1")
    store.run("run-until", "--events", f'[["many-letters", 2, {MOST_CARRIED_FORWARD + 2}]]')

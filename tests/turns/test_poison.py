"""Rows that cannot be read: somebody is told, nothing is lost, and nobody else is held up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.errors import DeletionError, RecordError, UnreadableMessageError
from holystone.store import Store, WorkItem
from turns.conftest import Clock
from turns.kit import Kit

BROKEN = {
    "no JSON": "it cannot be read as JSON",
    "[1]": "it should be a JSON object, and is a list",
    '{"a":{},"b":{}}': "it should have one field, its kind, and has 2",
    '{"a":{},"a":{}}': "it cannot be read as JSON: it has 'a' twice",
    '{"ExternalRaised":7}': "its 'ExternalRaised' should be an object, and is a whole number",
    '{"ActivityCompleted":{"instance":"a","execution_id":3,"result":"7"}}': (
        "in ActivityCompleted, execution 3, 'id' is missing"
    ),
    '{"FromALaterEngine":{"instance":"a"}}': "it is a FromALaterEngine",
}
"""What a queue's row may hold instead of a message -> what is said of it."""


def assert_told(made: EngineStore, queue: str, fetch: Callable[[], object]) -> None:
    """Each of the broken messages is named when it is fetched, and left as it is."""
    ((row_id,),) = made.execute(f"SELECT id FROM {queue}")
    for text, why in BROKEN.items():
        made.execute(f"UPDATE {queue} SET work_item = ?", text)
        before = made.execute(f"SELECT * FROM {queue}")
        with pytest.raises(UnreadableMessageError) as raised:
            fetch()
        said = raised.value
        assert (said.queue, said.row_id, said.instance_id) == (queue, row_id, "a")
        assert said.message.startswith(f"Message {row_id} of {queue}, for 'a', cannot be handed out: {why}")
        assert f"row {row_id} of {queue}" in said.next_step
        assert made.execute(f"SELECT * FROM {queue}") == before
    assert made.execute("SELECT * FROM instance_locks") == []
    made.execute(f"DELETE FROM {queue}")
    assert fetch() is None


def test_unreadable_message_is_named_and_left_as_it_is(kit: Kit, made: EngineStore) -> None:
    kit.finish("a")
    kit.poke("a")
    assert_told(made, "orchestrator_queue", lambda: kit.store.fetch_orchestration_item(1000))


def test_unreadable_activity_is_named_and_left_as_it_is(kit: Kit, made: EngineStore) -> None:
    kit.store.enqueue_for_worker(kit.activity("a"))
    assert_told(made, "worker_queue", lambda: kit.store.fetch_work_item(1000))


def test_what_is_no_activity_is_not_handed_to_a_worker(kit: Kit, made: EngineStore) -> None:
    kit.store.enqueue_for_worker(kit.activity("a"))
    made.execute("UPDATE worker_queue SET instance_id = NULL, work_item = ?", kit.completion("b").to_json())
    with pytest.raises(UnreadableMessageError, match=r"for 'b', .*: it is a ActivityCompleted, and no activity"):
        kit.store.fetch_work_item(1000)
    made.execute("UPDATE worker_queue SET work_item = '7'")
    with pytest.raises(UnreadableMessageError, match="of worker_queue cannot be handed out"):
        kit.store.fetch_work_item(1000)
    made.execute("DELETE FROM worker_queue")


def test_others_are_served_before_anybody_is_told(kit: Kit, made: EngineStore) -> None:
    instances = ("bad", "worse", "good")
    for instance_id in instances:
        kit.finish(instance_id)
    for instance_id in instances:
        kit.poke(instance_id)
        kit.store.enqueue_for_worker(kit.activity(instance_id))
    made.execute("UPDATE orchestrator_queue SET work_item = 'no JSON' WHERE instance_id <> 'good'")
    made.execute("UPDATE worker_queue SET work_item = 'no JSON' WHERE instance_id <> 'good'")
    item, lease = kit.fetch(), kit.work()
    assert (item.instance_id, lease.item.instance_id) == ("good", "good")
    for _ in range(2):
        for fetch in (kit.fetch, kit.work):
            with pytest.raises(UnreadableMessageError, match="'bad'"):
                fetch()
    kit.store.ack_orchestration_item(item.lock_token, 1)
    kit.store.ack_work_item(lease.lock_token)
    for queue in ("orchestrator_queue", "worker_queue"):
        assert made.execute(f"SELECT count(*), max(attempt_count) FROM {queue}") == [(2, 0)]
        made.execute(f"DELETE FROM {queue}")


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_is_written_to_once(kit: Kit, made: EngineStore) -> None:
    """Each change, also one that is rolled back, leaves a dead row; workers look for work all the time."""
    kit.finish("a")
    kit.poke("a")
    kit.store.enqueue_for_worker(kit.activity("a"))
    for queue, fetch in (("orchestrator_queue", kit.fetch), ("worker_queue", kit.work)):
        made.execute(f"UPDATE {queue} SET work_item = 'no JSON'")
        versions = set()
        for _ in range(5):
            with pytest.raises(UnreadableMessageError):
                fetch()
            versions.add(made.execute(f"SELECT ctid, xmin, xmax FROM {queue}")[0])
        assert len(versions) == 1, queue
        made.execute(f"DELETE FROM {queue}")


def test_instances_that_wait_for_their_start_are_looked_at(kit: Kit, made: EngineStore) -> None:
    """A message of an event queue alone is dropped; beside others it waits, and is taken with the start."""
    letter = WorkItem.new("QueueMessage", instance="a", name="letters", data="1")
    kit.store.enqueue_for_orchestrator(letter)
    kit.poke("a")
    for _ in range(3):
        assert not kit.has_turn
        assert made.execute("SELECT count(*), max(attempt_count) FROM orchestrator_queue") == [(2, 0)]
    kit.start("a")
    item = kit.fetch()
    assert [message.kind for message in item.messages] == ["QueueMessage", "ExternalRaised", "StartOrchestration"]
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
    assert not kit.has_turn


def test_instance_goes_on_when_its_message_is_mended(kit: Kit, made: EngineStore) -> None:
    """All its messages wait for the broken one, so that their order is kept."""
    kit.finish("a")
    for data in ("1", "2", "3"):
        kit.poke("a", data)
    ((row_id, text),) = made.execute("SELECT id, work_item FROM orchestrator_queue ORDER BY id LIMIT 1 OFFSET 1")
    made.execute("UPDATE orchestrator_queue SET work_item = 'no JSON' WHERE id = ?", row_id)
    with pytest.raises(UnreadableMessageError, match=f"Message {row_id} "):
        kit.fetch()
    made.execute("UPDATE orchestrator_queue SET work_item = ? WHERE id = ?", text, row_id)
    item = kit.fetch()
    assert [message.fields["data"] for message in item.messages] == ["1", "2", "3"]
    kit.store.ack_orchestration_item(item.lock_token, 1)


def test_message_for_nobody_can_be_unreadable_too(kit: Kit, made: EngineStore) -> None:
    kit.poke("nobody")
    assert kit.store.fetch_orchestration_item(1000) is None
    made.execute("UPDATE orchestrator_queue SET work_item = 'no JSON'")
    with pytest.raises(UnreadableMessageError, match="for 'nobody'"):
        kit.fetch()
    made.execute("DELETE FROM orchestrator_queue")


@pytest.mark.parametrize("flavour", ["sqlite"])
def test_columns_of_any_type_are_no_surprise(kit: Kit, made: EngineStore) -> None:
    """PostgreSQL keeps nothing but text in a column of text."""
    kit.begin("a", kit.event("a", 2, "OrchestrationCompleted", output="1"))
    kit.poke("a")
    kit.store.enqueue_for_worker(kit.activity("a"))
    for value in ("7", "x'00ff'", "CAST(x'22ff22' AS TEXT)"):
        made.execute(f"UPDATE orchestrator_queue SET work_item = {value}")
        made.execute(f"UPDATE worker_queue SET work_item = {value}")
        for fetch in (kit.fetch, kit.work):
            with pytest.raises(UnreadableMessageError, match="'a'"):
                fetch()
        made.execute(f"UPDATE history SET event_data = {value} WHERE event_id = 1")
        with pytest.raises(RecordError, match="Event 1 of 'a', execution 1"):
            kit.store.read_history("a")
    kit.store.delete_instance("a")


# Histories

UNREADABLE: dict[str, tuple[Any, str]] = {
    "no JSON": ("no JSON", "it cannot be read as JSON: expecting value at character 0"),
    "field missing": ({"name": ...}, "'name' is missing"),
    "unknown type": ({"type": "FromALaterEngine"}, "FromALaterEngine, which is not known here"),
}


def damaged(kit: Kit, made: EngineStore, what: str) -> str:
    """Start `a`, break its second event and wake it; return what should be said of the event."""
    kit.begin("a", kit.event("a", 2, "ExternalSubscribed", name="go"))
    change, why = UNREADABLE[what]
    if isinstance(change, dict):
        fields = {**json.loads(made.execute("SELECT event_data FROM history WHERE event_id = 2")[0][0]), **change}
        change = json.dumps({name: value for name, value in fields.items() if value is not ...})
    made.execute("UPDATE history SET event_data = ? WHERE event_id = 2", change)
    kit.poke("a")
    return why


def fail_as_poison(kit: Kit) -> None:
    """End an instance whose history cannot be read, as the engine does it."""
    item = kit.fetch()
    assert item.history_error is not None
    subject = {"FailedDeserialization": {"instance": "a", "execution_id": 1, "error": item.history_error}}
    poison = {
        "attempt_count": item.attempt_count,
        "max_attempts": 10,
        "message_type": subject,
        "message": item.history_error,
    }
    failed = kit.event("a", 99999, "OrchestrationFailed", details={"Poison": poison})
    kit.store.ack_orchestration_item(item.lock_token, item.execution_id, history_delta=[failed])


def test_error_of_a_history_names_its_event_once(kit: Kit, made: EngineStore) -> None:
    for what in UNREADABLE:
        why = damaged(kit, made, what)
        item = kit.fetch()
        assert item.history_error is not None
        assert list(item.history) == []
        assert why in item.history_error
        for word in ("'a'", "execution 1", "vent 2"):
            assert item.history_error.count(word) == 1
        kit.store.delete_instance("a", force=True)


def test_attempts_at_an_unreadable_history_count(kit: Kit, made: EngineStore, clock: Clock) -> None:
    damaged(kit, made, "no JSON")
    for attempt in (1, 2, 3):
        item = kit.fetch()
        assert item.attempt_count == attempt
        kit.store.abandon_orchestration_item(item.lock_token, delay_ms=1000)
        assert not kit.has_turn
        clock.pass_ms(1000)
    kit.store.delete_instance("a", force=True)


@pytest.mark.parametrize("what", ["no JSON", "unknown type"])
def test_unreadable_history_can_be_ended(kit: Kit, made: EngineStore, what: str) -> None:
    damaged(kit, made, what)
    with pytest.raises(DeletionError):
        kit.store.delete_instance("a")
    fail_as_poison(kit)
    assert made.execute("SELECT status, output FROM executions") == [("Failed", kit.store.get_status("a").output)]
    status = kit.store.get_status("a")
    assert status.status == "Failed"
    assert status.output is not None
    assert status.output.startswith("poison: orchestration a history deserialization failed after 1 attempts (max 10)")
    kit.poke("a")
    kit.store.ack_orchestration_item(kit.fetch().lock_token, 1)
    kit.store.delete_instance("a")


def test_engine_takes_what_was_ended_so_as_its_own(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    kit = Kit(Store.open(made.target, made.schema))
    damaged(kit, made, "unknown type")
    fail_as_poison(kit)
    assert made.admin("list-by-status", "Failed") == ["a"]
    assert made.admin("metrics")["failed_instances"] == 1
    assert made.admin("delete-instance", "a")["events_deleted"] == 3

"""Turns of orchestrations: who gets one, what an ack writes, and what it refuses to write."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import EngineStore
from contents import contents
from holystone.errors import ExecutionEndedError, InvalidTurnError, LockLostError
from holystone.store import Event, WorkItem
from holystone.store.turns.lease import ExecutionMetadata
from turns.conftest import Column
from turns.kit import Kit


def test_nothing_to_do(kit: Kit) -> None:
    assert kit.store.fetch_orchestration_item(1000) is None


def test_first_turn_carries_what_starts_it(kit: Kit) -> None:
    kit.start("a", "Order", version="2.1.0")
    item = kit.fetch()
    assert (item.instance_id, item.execution_id, item.attempt_count) == ("a", 1, 1)
    assert (item.orchestration_name, item.orchestration_version) == ("Order", "2.1.0")
    assert (list(item.history), item.kv, item.history_error) == ([], {}, None)
    assert [message.kind for message in item.messages] == ["StartOrchestration"]
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])


def test_instance_is_made_at_ack_and_not_before(kit: Kit, column: Column) -> None:
    kit.start("a")
    assert column("instances", "instance_id") is None
    item = kit.fetch()
    assert column("instances", "instance_id") is None
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
    assert column("instances", "orchestration_version", instance_id="a") == "1.0.0"
    assert column("executions", "status", instance_id="a") == "Running"
    assert column("executions", "duroxide_version_patch", instance_id="a") == 28


def test_locked_instance_is_fetched_by_one_only(kit: Kit) -> None:
    kit.start("a")
    item = kit.fetch()
    assert kit.store.fetch_orchestration_item(1000) is None
    kit.store.abandon_orchestration_item(item.lock_token)
    assert kit.fetch().attempt_count == 2


def test_other_instances_are_not_held_up(kit: Kit) -> None:
    kit.start("a")
    kit.start("b")
    assert [kit.fetch().instance_id, kit.fetch().instance_id] == ["a", "b"]


def test_all_messages_of_the_instance_come_together_in_order(kit: Kit) -> None:
    kit.begin("a")
    for number in range(3):
        kit.send("ExternalRaised", instance="a", name="go", data=str(number))
    item = kit.fetch()
    assert [message.fields["data"] for message in item.messages] == ["0", "1", "2"]


def test_message_that_comes_later_waits_for_the_next_turn(kit: Kit) -> None:
    kit.begin("a")
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    item = kit.fetch()
    kit.send("ExternalRaised", instance="a", name="go", data="2")
    kit.store.ack_orchestration_item(item.lock_token, 1)
    assert [message.fields["data"] for message in kit.fetch().messages] == ["2"]


def test_delayed_message_is_not_seen_yet(kit: Kit) -> None:
    kit.begin("a")
    kit.send("ExternalRaised", instance="a", name="go", data="1", delay_ms=60_000)
    assert kit.store.fetch_orchestration_item(1000) is None


def test_timer_is_seen_when_it_fires(kit: Kit) -> None:
    kit.begin("a")
    kit.send("TimerFired", instance="a", execution_id=1, id=2, fire_at_ms=4_000_000_000_000)
    assert kit.store.fetch_orchestration_item(1000) is None
    kit.send("TimerFired", instance="a", execution_id=1, id=2, fire_at_ms=1)
    assert len(kit.fetch().messages) == 1


def test_message_before_its_start_holds_up_nobody(kit: Kit) -> None:
    kit.send("ExternalRaised", instance="nobody", name="go", data="1")
    kit.start("a")
    assert kit.fetch().instance_id == "a"
    assert kit.store.fetch_orchestration_item(1000) is None


def test_expired_lock_is_taken_over_and_its_token_is_worth_nothing(kit: Kit) -> None:
    kit.start("a")
    lost = kit.fetch(lock_ms=-1)
    item = kit.fetch()
    assert item.attempt_count == 2
    with pytest.raises(LockLostError, match="or no longer"):
        kit.store.ack_orchestration_item(lost.lock_token, 1, history_delta=[kit.started("a")])
    with pytest.raises(LockLostError):
        kit.store.renew_orchestration_item_lock(lost.lock_token, 1000)
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])


def test_renewed_lock_holds(kit: Kit, column: Column) -> None:
    kit.start("a")
    item = kit.fetch(lock_ms=5_000)
    before = column("instance_locks", "locked_until", instance_id="a")
    kit.store.renew_orchestration_item_lock(item.lock_token, 60_000)
    after = column("instance_locks", "locked_until", instance_id="a")
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after > before + 50_000


def test_abandoned_turn_comes_back_after_its_delay(kit: Kit) -> None:
    kit.start("a")
    kit.store.abandon_orchestration_item(kit.fetch().lock_token, delay_ms=60_000)
    assert kit.store.fetch_orchestration_item(1000) is None


def test_ignored_attempt_does_not_count(kit: Kit) -> None:
    kit.start("a")
    for _ in range(3):
        kit.store.abandon_orchestration_item(kit.fetch().lock_token, ignore_attempt=True)
    assert kit.fetch().attempt_count == 1


@pytest.mark.parametrize("operation", ["abandon_orchestration_item", "ack_orchestration_item"])
def test_unknown_token_is_refused(kit: Kit, operation: str) -> None:
    values: dict[str, list[Any]] = {"abandon_orchestration_item": ["nope"], "ack_orchestration_item": ["nope", 1]}
    with pytest.raises(LockLostError):
        getattr(kit.store, operation)(*values[operation])


ENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "OrchestrationCompleted": ({"output": '"x"'}, "Completed", '"x"'),
    "OrchestrationContinuedAsNew": ({"input": "2"}, "ContinuedAsNew", "2"),
    "OrchestrationFailed": (
        {"details": {"Application": {"kind": {"Cancelled": {"reason": "why"}}, "message": "", "retryable": False}}},
        "Failed",
        "canceled: why",
    ),
}


@pytest.mark.parametrize("type", ENDS)
def test_status_changes_with_the_terminal_event(kit: Kit, column: Column, type: str) -> None:
    payload, status, output = ENDS[type]
    kit.begin("a")
    assert column("executions", "completed_at", instance_id="a") is None
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    item = kit.fetch()
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.event("a", 2, type, **payload)])
    assert column("executions", "status", instance_id="a") == status
    assert column("executions", "output", instance_id="a") == output


def test_continue_as_new_begins_the_next_execution(kit: Kit, column: Column) -> None:
    kit.start("a")
    item = kit.fetch()
    again = WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="2", version=None)
    kit.store.ack_orchestration_item(
        item.lock_token,
        1,
        history_delta=[kit.started("a"), kit.event("a", 2, "OrchestrationContinuedAsNew", input="2")],
        orchestrator_items=[again],
    )
    assert kit.store.get_status("a").status == "Running"
    item = kit.fetch()
    assert (item.execution_id, [event.type for event in item.history][-1]) == (1, "OrchestrationContinuedAsNew")
    kit.store.ack_orchestration_item(item.lock_token, 2, history_delta=[kit.started("a", 2, input="2")])
    assert column("instances", "current_execution_id", instance_id="a") == 2
    assert [event.execution_id for event in kit.store.read_history("a")] == [2]
    assert len(kit.store.read_history("a", 1)) == 2


def test_late_message_of_an_ended_execution_is_acked_away(kit: Kit, column: Column) -> None:
    kit.finish("a", output="7")
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    kit.store.ack_orchestration_item(kit.fetch().lock_token, 1)
    assert column("executions", "output", instance_id="a") == "7"
    assert column("orchestrator_queue", "id") is None


def unsound(kit: Kit) -> dict[str, tuple[list[Event], type[Exception], str]]:
    """Deltas that must be refused for instance `a`, whose history has event 1."""
    end: dict[str, Any] = {"output": "1"}
    scheduled: dict[str, Any] = {"name": "Charge", "input": "{}"}
    return {
        "id twice": (
            [kit.event("a", 2, "ActivityScheduled", **scheduled), kit.event("a", 2, "TimerCreated", fire_at_ms=1)],
            InvalidTurnError,
            "two events with the id 2",
        ),
        "id zero": ([kit.event("a", 0, "TimerCreated", fire_at_ms=1)], InvalidTurnError, "ids begin at 1"),
        "id taken": ([kit.event("a", 1, "TimerCreated", fire_at_ms=1)], InvalidTurnError, "id 1 already"),
        "two ends": (
            [kit.event("a", 2, "OrchestrationCompleted", **end), kit.event("a", 3, "OrchestrationCompleted", **end)],
            InvalidTurnError,
            "2 terminal events",
        ),
        "another instance's": ([kit.event("b", 2, "TimerCreated", fire_at_ms=1)], InvalidTurnError, "of 'b'"),
        "another execution's": ([kit.event("a", 2, "TimerCreated", 7, fire_at_ms=1)], InvalidTurnError, "execution 7"),
    }


@pytest.mark.parametrize(
    "what", ["id twice", "id zero", "id taken", "two ends", "another instance's", "another execution's"]
)
def test_unsound_delta_writes_nothing(kit: Kit, made: EngineStore, what: str) -> None:
    kit.begin("a")
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    item = kit.fetch()
    before = contents(made)
    delta, error, said = unsound(kit)[what]
    with pytest.raises(error, match=said) as raised:
        kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=delta, worker_items=[kit.activity("a")])
    assert "'a'" in str(raised.value)
    assert contents(made) == before


def test_ended_execution_is_never_written_to_again(kit: Kit, made: EngineStore) -> None:
    kit.finish("a")
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    item = kit.fetch()
    before = contents(made)
    with pytest.raises(ExecutionEndedError, match="Execution 1 of 'a' has ended with event 2"):
        kit.store.ack_orchestration_item(
            item.lock_token, 1, history_delta=[kit.event("a", 3, "TimerCreated", fire_at_ms=1)]
        )
    assert contents(made) == before


@pytest.mark.parametrize(("status", "output"), [("Completed", "1"), ("Failed", None), (None, None)])
def test_metadata_that_contradicts_its_events_is_refused(
    kit: Kit, made: EngineStore, status: str | None, output: str | None
) -> None:
    kit.start("a")
    item = kit.fetch()
    before = contents(made)
    ended = status is None
    delta = [kit.started("a"), *([kit.event("a", 2, "OrchestrationCompleted", output="1")] if ended else [])]
    with pytest.raises(InvalidTurnError, match="claims the status"):
        kit.store.ack_orchestration_item(
            item.lock_token, 1, history_delta=delta, metadata=ExecutionMetadata(status=status, output=output)
        )
    assert contents(made) == before


def test_unreadable_history_is_told_and_does_not_stop_the_turn(kit: Kit, made: EngineStore) -> None:
    kit.begin("a", kit.event("a", 2, "TimerCreated", fire_at_ms=1))
    made.execute("UPDATE history SET event_data = 'no JSON' WHERE event_id = 2")
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    item = kit.fetch()
    assert list(item.history) == []
    assert item.history_error is not None
    assert "Event 2 of 'a', execution 1" in item.history_error


def test_custom_status_is_the_last_update_of_the_turn(kit: Kit) -> None:
    updates = [kit.event("a", number, "CustomStatusUpdated", status=f"step {number}") for number in (2, 3)]
    kit.begin("a", *updates)
    assert (kit.store.get_status("a").custom_status, kit.store.get_status("a").custom_status_version) == ("step 3", 1)
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    cleared = [kit.event("a", 4, "CustomStatusUpdated", status=None)]
    kit.store.ack_orchestration_item(kit.fetch().lock_token, 1, history_delta=cleared)
    assert (kit.store.get_status("a").custom_status, kit.store.get_status("a").custom_status_version) == (None, 2)


def test_keys_are_merged_when_the_execution_ends(kit: Kit, column: Column) -> None:
    kit.begin(
        "a",
        kit.event("a", 2, "KeyValueSet", key="kept", value="1", last_updated_at_ms=5),
        kit.event("a", 3, "KeyValueSet", key="gone", value="2", last_updated_at_ms=5),
        kit.event("a", 4, "KeyValueCleared", key="gone"),
    )
    assert column("kv_store", "key") is None
    assert column("kv_delta", "value", key="kept") == "1"
    assert column("kv_delta", "count(*)", key="gone") == 1
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    item = kit.fetch()
    assert item.kv == {}
    kit.store.ack_orchestration_item(
        item.lock_token, 1, history_delta=[kit.event("a", 5, "OrchestrationCompleted", output="1")]
    )
    assert column("kv_delta", "key") is None
    assert column("kv_store", "value", key="kept") == "1"
    assert column("kv_store", "count(*)") == 1
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    assert kit.fetch().kv == {"kept": ("1", 5)}


def test_only_engines_of_the_right_version_get_the_turn(kit: Kit) -> None:
    kit.begin("a")
    kit.send("ExternalRaised", instance="a", name="go", data="1")
    assert kit.store.fetch_orchestration_item(1000, ((0, 0, 1), (0, 1, 27))) is None
    item = kit.store.fetch_orchestration_item(1000, ((0, 1, 0), (0, 1, 99)))
    assert item is not None
    kit.start("new")  # not begun by anybody yet, so anybody may
    started = kit.store.fetch_orchestration_item(1000, ((9, 0, 0), (9, 0, 0)))
    assert started is not None
    assert started.instance_id == "new"

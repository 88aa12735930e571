"""Turns of orchestrations: what an ack writes and refuses to write, beyond the scenarios of the public suite."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import EngineStore
from contents import contents
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.errors import ExecutionEndedError, InvalidTurnError
from holystone.store import Event, WorkItem
from turns.conftest import Column
from turns.kit import Kit


def test_first_turn_carries_what_starts_it(kit: Kit) -> None:
    kit.start("a", "Order", version="2.1.0")
    item = kit.fetch()
    assert (item.instance_id, item.execution_id, item.attempt_count) == ("a", 1, 1)
    assert (item.orchestration_name, item.orchestration_version) == ("Order", "2.1.0")
    assert (list(item.history), item.kv, item.history_error) == ([], {}, None)
    assert [message.kind for message in item.messages] == ["StartOrchestration"]
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])


def test_all_messages_of_the_instance_come_together_in_order(kit: Kit) -> None:
    kit.begin("a")
    for number in range(3):
        kit.poke("a", str(number))
    item = kit.fetch()
    assert [message.fields["data"] for message in item.messages] == ["0", "1", "2"]


def test_delayed_message_is_not_seen_yet(kit: Kit) -> None:
    kit.begin("a")
    kit.send("ExternalRaised", instance="a", name="go", data="1", delay_ms=60_000)
    assert not kit.has_turn


def test_message_before_its_start_holds_up_nobody(kit: Kit) -> None:
    kit.send("ExternalRaised", instance="nobody", name="go", data="1")
    kit.start("a")
    assert kit.fetch().instance_id == "a"
    assert not kit.has_turn


def test_abandoned_turn_comes_back_after_its_delay(kit: Kit) -> None:
    kit.start("a")
    kit.store.abandon_orchestration_item(kit.fetch().lock_token, delay_ms=60_000)
    assert not kit.has_turn


AGAIN = WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="2", version=None)
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
    kit.turn("a", (type, payload), messages=[AGAIN] if status == "ContinuedAsNew" else [])
    assert column("executions", "status", instance_id="a") == status
    assert column("executions", "output", instance_id="a") == output


def test_late_message_of_an_ended_execution_is_acked_away(kit: Kit, column: Column) -> None:
    kit.finish("a", output="7")
    kit.poke("a")
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
    kit.poke("a")
    item = kit.fetch()
    before = contents(made)
    delta, error, said = unsound(kit)[what]
    with pytest.raises(error, match=said) as raised:
        kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=delta, worker_items=[kit.activity("a")])
    assert "'a'" in str(raised.value)
    assert contents(made) == before


def test_ended_execution_is_never_written_to_again(kit: Kit, made: EngineStore) -> None:
    kit.finish("a")
    kit.poke("a")
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

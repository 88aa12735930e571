"""Turns that are wrong in one thing, whatever else they do: none may be taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from holystone.duroxide.metadata import ExecutionMetadata
from holystone.store import Event, WorkItem
from turns.shared.turn import ENDED, Turn

Ack = dict[str, Any]
"""What an ack is given by name."""


def spoilt(turn: Turn, how: str) -> Ack | None:
    """Return the ack of a turn with one thing wrong, None where the turn has nothing that can be wrong so."""
    ack: Ack = {
        "history_delta": turn.delta,
        "worker_items": turn.worker_items,
        "orchestrator_items": turn.orchestrator_items,
        "cancelled_activities": turn.cancelled_activities,
    }
    changed = HOW[how](turn)
    return None if changed is None else {**ack, **changed}


def _message_left_out(turn: Turn) -> Ack | None:
    """One that an event asks for: whom an execution starts on its own or cancels as it ends, it may not start."""
    if turn.worker_items:
        return {"worker_items": turn.worker_items[1:]}
    ended = any(event.type in ENDED for event in turn.delta)
    for number, item in enumerate(turn.orchestrator_items):
        alone = item.kind == "StartOrchestration" and item.fields["parent_instance"] is None
        if item.kind != "CancelInstance" and not (alone and ended):
            return {"orchestrator_items": turn.orchestrator_items[:number] + turn.orchestrator_items[number + 1 :]}
    return None


def _message_twice(turn: Turn) -> Ack | None:
    if turn.worker_items:
        return {"worker_items": [*turn.worker_items, turn.worker_items[0]]}
    doubled = [item for item in turn.orchestrator_items if item.kind != "CancelInstance"]
    return {"orchestrator_items": [*turn.orchestrator_items, doubled[0]]} if doubled else None


def _message_without_event(turn: Turn) -> Ack:
    owned = {"instance": turn.instance_id, "execution_id": turn.execution_id, "id": 999}
    return {"orchestrator_items": [*turn.orchestrator_items, WorkItem.new("TimerFired", **owned, fire_at_ms=1)]}


def _answer_to_a_stranger(turn: Turn) -> Ack:
    said = {"parent_instance": "nobody", "parent_execution_id": 1, "parent_id": 2, "result": "1"}
    return {"orchestrator_items": [*turn.orchestrator_items, WorkItem.new("SubOrchCompleted", **said)]}


def _stranger_cancelled(turn: Turn) -> Ack:
    stranger = WorkItem.new("CancelInstance", instance="nobody", reason="why")
    return {"orchestrator_items": [*turn.orchestrator_items, stranger]}


def _activity_taken_in_silence(turn: Turn) -> Ack:
    return {"cancelled_activities": [*turn.cancelled_activities, (turn.instance_id, turn.execution_id, 999)]}


def _another_source(turn: Turn) -> Ack | None:
    """What refers to another event refers to one that is not there; what refers to none refers to the first."""
    if not turn.delta:
        return None
    last: Event = turn.delta[-1]
    return {"history_delta": [*turn.delta[:-1], replace(last, source_event_id=(last.source_event_id or 0) + 999)]}


def _another_name(turn: Turn) -> Ack:
    return {"metadata": ExecutionMetadata(**_status(turn), orchestration_name="Other", orchestration_version="1.0.0")}


def _another_engine(turn: Turn) -> Ack:
    return {"metadata": ExecutionMetadata(**_status(turn), pinned_version=(9, 9, 9))}


def _status(turn: Turn) -> dict[str, Any]:
    end = next((event for event in turn.delta if event.type in ENDED), None)
    return {} if end is None else {"status": end.type.removeprefix("Orchestration")}


HOW: Mapping[str, Callable[[Turn], Ack | None]] = {
    "a message left out": _message_left_out,
    "a message twice": _message_twice,
    "a message without event": _message_without_event,
    "an answer to a stranger": _answer_to_a_stranger,
    "a stranger cancelled": _stranger_cancelled,
    "an activity taken in silence": _activity_taken_in_silence,
    "another source": _another_source,
    "another name": _another_name,
    "another engine": _another_engine,
}
"""What can be wrong with a turn."""

"""More of what events carry than the demonstration needs."""

from __future__ import annotations

from typing import Any

from holystone.demo.scribe import Payload, failed_with

FAR_FUTURE_MS = 4_102_444_800_000
"""2100-01-01, in ms since the epoch: a timer that does not fire."""


def begun(name: str = "Order", **fields: Any) -> Payload:
    """The start of an execution, with whatever else it should hold."""
    told = {"name": name, "version": "1.0.0", "input": "{}", "parent_instance": None, "parent_id": None}
    return "OrchestrationStarted", told | fields


def child_of(parent: str, parent_id: int = 2, **fields: Any) -> Payload:
    """The start of a child, as engines since 0.1.30 write it."""
    return begun(parent_instance=parent, parent_id=parent_id, **{"parent_execution_id": 1, **fields})


def asked_child(instance: str = "sub::2", name: str = "Order") -> Payload:
    return "SubOrchestrationScheduled", {"name": name, "instance": instance, "input": "{}"}


def child_answered(source: int = 2) -> Payload:
    return "SubOrchestrationCompleted", {"source_event_id": source, "result": '"done"'}


def timer(fire_at_ms: int = FAR_FUTURE_MS) -> Payload:
    return "TimerCreated", {"fire_at_ms": fire_at_ms}


def subscribed(name: str = "go") -> Payload:
    return "ExternalSubscribed", {"name": name}


def raised(name: str = "go") -> Payload:
    return "ExternalEvent", {"name": name, "data": "1"}


def dequeues(name: str = "letters") -> Payload:
    return "ExternalSubscribedPersistent", {"name": name}


def letter(data: str, name: str = "letters") -> Payload:
    return "ExternalEventPersistent", {"name": name, "data": data}


def cancelled_event(kind: str, source: int, reason: str = "dropped_future") -> Payload:
    """An activity, a child or a subscription is given up, by the event that asked for it."""
    return kind, {"source_event_id": source, "reason": reason}


def status_set(status: str | None) -> Payload:
    return "CustomStatusUpdated", {"status": status}


def poisoned(instance_id: str, execution_id: int = 1) -> Payload:
    """The engine gives an orchestration up, of which a message was fetched too often."""
    subject = {"Orchestration": {"instance": instance_id, "execution_id": execution_id}}
    details = {"attempt_count": 11, "max_attempts": 10, "message_type": subject, "message": "[]"}
    return failed_with({"Poison": details})

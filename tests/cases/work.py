"""Messages, activities and locks as the engine writes them, for cases of the queues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func

from holystone.clock import now_ms
from holystone.demo.scribe import BEGUN_MS, ENGINE_VERSION, Payload, Scribe
from holystone.duroxide.tables import instance_locks, orchestrator_queue
from holystone.store import Event

Message = dict[str, dict[str, Any]]


def raised_to(instance: str) -> Message:
    return {"ExternalRaised": {"instance": instance, "name": "go", "data": "1"}}


def cancel_of(instance: str) -> Message:
    return {"CancelInstance": {"instance": instance, "reason": "by request"}}


def letter_to(instance: str) -> Message:
    return {"QueueMessage": {"instance": instance, "name": "letters", "data": "1"}}


def start_of(instance: str) -> Message:
    told = {"orchestration": "Order", "input": "{}", "version": None, "parent_instance": None, "parent_id": None}
    return {"StartOrchestration": {"instance": instance, **told, "execution_id": 1}}


def completion_for(instance: str, activity: int = 2) -> Message:
    return {"ActivityCompleted": {"instance": instance, "execution_id": 1, "id": activity, "result": "1"}}


def activity_for(scribe: Scribe, instance: str, execution_id: int = 1, event_id: int = 2, **fields: Any) -> int:
    """Put an activity in the queue of the workers whether or not an event has scheduled it; return the row's id."""
    event = Event.new(
        "ActivityScheduled",
        event_id=event_id,
        instance_id=instance,
        execution_id=execution_id,
        timestamp_ms=BEGUN_MS,
        duroxide_version=ENGINE_VERSION,
        name="Charge",
        input="{}",
        **fields,
    )
    return scribe.activity(event)


def routed(**fields: str) -> Payload:
    """An activity with a session_id or a tag."""
    return "ActivityScheduled", {"name": "Charge", "input": "{}", **fields}


def reprinted(message: Mapping[str, Any]) -> str:
    """A message as PostgreSQL prints JSONB: with spaces, and the shorter of two fields first."""
    ((kind, fields),) = message.items()
    ordered = {name: fields[name] for name in sorted(fields, key=lambda name: (len(name), name))}
    return json.dumps({kind: ordered}, ensure_ascii=False)


def spaced(scribe: Scribe, row_id: int) -> None:
    """Write a message of the orchestrator queue anew as others print JSON, with spaces."""
    text = func.replace(orchestrator_queue.c.work_item, '":', '": ')
    scribe.change(orchestrator_queue, {"id": row_id}, work_item=text)


def just_now(scribe: Scribe, row_id: int) -> None:
    """Make a message of the orchestrator queue one that has only just come."""
    scribe.change(orchestrator_queue, {"id": row_id}, created_at=scribe.flavour.created_at(now_ms()))


def lock(scribe: Scribe, instance: str, until_ms: int = BEGUN_MS) -> None:
    """Lock an instance, by default until long ago."""
    held = {"lock_token": "a dispatcher's", "locked_until": until_ms, "locked_at": until_ms - 5_000}
    scribe.add(instance_locks, instance_id=instance, **held)

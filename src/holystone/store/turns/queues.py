"""Putting messages into the two queues."""

from collections.abc import Sequence

from sqlalchemy import insert

from holystone.duroxide.tables import orchestrator_queue, worker_queue
from holystone.duroxide.work_item import WorkItem
from holystone.errors import InvalidTurnError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement

_FOR_ORCHESTRATOR, _FOR_WORKER = insert(orchestrator_queue).inline(), insert(worker_queue).inline()


def for_orchestrator(
    flavour: Flavour, items: Sequence[WorkItem], now: int, delay_ms: int | None = None
) -> list[BoundStatement]:
    """Return how to queue messages for instances: visible now, after a delay in ms, or for a timer when it fires.

    InvalidTurnError for an activity, and for a message that says no instance.
    """
    rows = [
        {
            "instance_id": _addressed(item),
            "work_item": item.to_json(),
            "visible_at": flavour.queue_time(_visible_at(item, now + (delay_ms or 0), flavour.times.latest_ms)),
            "created_at": flavour.created_at(now),
        }
        for item in items
    ]
    return [(_FOR_ORCHESTRATOR, rows)] if rows else []


def require_for_orchestrator(items: Sequence[WorkItem], latest_ms: int) -> None:
    """Raise InvalidTurnError where a message is none for an instance, or is a timer that fires after `latest_ms`."""
    for item in items:
        _addressed(item)
        _visible_at(item, 0, latest_ms)


def _addressed(item: WorkItem) -> str:
    if item.is_for_worker or item.instance_id is None:
        whose = "" if item.instance_id is None else f" for {item.instance_id!r}"
        raise InvalidTurnError(f"A {item.kind}{whose} is nothing for the orchestrator queue.")
    return item.instance_id


def _visible_at(item: WorkItem, others_ms: int, latest_ms: int) -> int:
    """Return when a message is due, in ms: a timer when it fires, all others at `others_ms`."""
    fires_at = item.fields.get("fire_at_ms") if item.kind == "TimerFired" else None
    visible_at: int = fires_at or others_ms
    if visible_at > latest_ms:
        raise InvalidTurnError(f"A {item.kind} for {item.instance_id!r} is due after the last moment of the database.")
    return visible_at


def for_worker(flavour: Flavour, items: Sequence[WorkItem], now: int) -> list[BoundStatement]:
    """Return how to queue activities, with the columns by which they can be found again and cancelled.

    InvalidTurnError for any other message.
    """
    require_for_worker(items)
    rows = [
        {
            "work_item": item.to_json(),
            "visible_at": flavour.queue_time(now),
            "created_at": flavour.created_at(now),
            "instance_id": item.instance_id,
            "execution_id": item.fields["execution_id"],
            "activity_id": item.fields["id"],
            "session_id": item.fields.get("session_id"),
            "tag": item.fields.get("tag"),
        }
        for item in items
    ]
    return [(_FOR_WORKER, rows)] if rows else []


def require_for_worker(items: Sequence[WorkItem]) -> None:
    """Raise InvalidTurnError where a message is no activity."""
    for item in items:
        if not item.is_for_worker:
            raise InvalidTurnError(
                f"A {item.kind} for {item.instance_id!r} is nothing for the worker queue, which takes ActivityExecute."
            )

"""Putting messages into the two queues."""

from sqlalchemy import Connection, insert

from holystone.errors import InvalidTurnError
from holystone.store.flavours import Flavour
from holystone.store.tables import orchestrator_queue, worker_queue
from holystone.store.work_item import WorkItem


def put_for_orchestrator(
    flavour: Flavour, connection: Connection, item: WorkItem, now: int, delay_ms: int | None = None
) -> None:
    """Queue a message for an instance: visible now, after a delay in ms, or for a timer when it fires."""
    fires_at = item.fields.get("fire_at_ms") if item.kind == "TimerFired" else None
    connection.execute(
        insert(orchestrator_queue).values(
            instance_id=item.instance_id,
            work_item=item.to_json(),
            visible_at=flavour.queue_time(fires_at or now + (delay_ms or 0)),
            created_at=flavour.created_at(now),
        )
    )


def put_for_worker(flavour: Flavour, connection: Connection, item: WorkItem, now: int) -> None:
    """Queue an activity, with the columns by which it can be found again and cancelled."""
    if item.kind != "ActivityExecute":
        raise InvalidTurnError(
            f"A {item.kind} for {item.instance_id!r} is nothing for the worker queue, which takes ActivityExecute.",
            "Mend the caller: nothing was written.",
        )
    fields = item.fields
    connection.execute(
        insert(worker_queue).values(
            work_item=item.to_json(),
            visible_at=flavour.queue_time(now),
            created_at=flavour.created_at(now),
            instance_id=item.instance_id,
            execution_id=fields["execution_id"],
            activity_id=fields["id"],
            session_id=fields.get("session_id"),
            tag=fields.get("tag"),
        )
    )

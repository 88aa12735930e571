"""Acking a turn: all that it did, in one transaction, or nothing."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, case, delete, insert, select, update

from holystone.clock import now_ms
from holystone.errors import ExecutionEndedError, InvalidTurnError
from holystone.store.event import Event
from holystone.store.flavours import Flavour
from holystone.store.store import Store
from holystone.store.tables import executions, history, instance_locks, instances, orchestrator_queue, worker_queue
from holystone.store.turns import keyvalue, queues
from holystone.store.turns.delta import agreed, require_sound
from holystone.store.turns.lease import ExecutionMetadata
from holystone.store.turns.locks import lost
from holystone.store.work_item import WorkItem

Activity = tuple[str, int, int]
"""Instance id, execution id, and the id of the event that scheduled it."""


def ack(
    store: Store,
    lock_token: str,
    execution_id: int,
    *,
    history_delta: Sequence[Event],
    worker_items: Sequence[WorkItem],
    orchestrator_items: Sequence[WorkItem],
    metadata: ExecutionMetadata | None,
    cancelled_activities: Sequence[Activity],
) -> None:
    """Write a turn and release its instance.

    LockLostError where the lock is not ours any more, InvalidTurnError where the events cannot be appended,
    ExecutionEndedError where the execution has ended before: nothing is written then, and the lock stays as it is.
    """
    with store.transaction() as connection:
        now = now_ms()
        instance_id = _locked_instance(connection, lock_token, now)
        written = agreed(metadata, history_delta, f"The turn of {instance_id!r}, execution {execution_id},")
        require_sound(instance_id, execution_id, history_delta)
        if history_delta:
            _require_appendable(store.flavour, connection, instance_id, execution_id, history_delta)
        _write_instance(store.flavour, connection, instance_id, execution_id, written, now)
        _write_execution(store.flavour, connection, instance_id, execution_id, written, now)
        _append(store.flavour, connection, instance_id, execution_id, history_delta, now)
        _write_custom_status(connection, instance_id, history_delta)
        keyvalue.record(store, connection, instance_id, history_delta, now)
        if written.status is not None:
            keyvalue.merge(store, connection, instance_id, execution_id)
        for item in worker_items:
            queues.put_for_worker(store.flavour, connection, item, now)
        _cancel(connection, cancelled_activities)
        for item in orchestrator_items:
            queues.put_for_orchestrator(store.flavour, connection, item, now)
        connection.execute(delete(orchestrator_queue).where(orchestrator_queue.c.lock_token == lock_token))
        connection.execute(delete(instance_locks).where(instance_locks.c.lock_token == lock_token))


def _locked_instance(connection: Connection, lock_token: str, now: int) -> str:
    """Return the instance that the token locks, and keep others from taking the lock over meanwhile."""
    held = and_(instance_locks.c.lock_token == lock_token, instance_locks.c.locked_until > now)
    instance_id: str | None = connection.execute(
        select(instance_locks.c.instance_id).where(held).with_for_update()
    ).scalar_one_or_none()
    if instance_id is None:
        raise lost("turn", lock_token)
    return instance_id


def _require_appendable(
    flavour: Flavour, connection: Connection, instance_id: str, execution_id: int, delta: Sequence[Event]
) -> None:
    of_execution = and_(history.c.instance_id == instance_id, history.c.execution_id == execution_id)
    ended = connection.execute(
        select(history.c.event_id).where(of_execution, flavour.is_terminal(history.c.event_data)).limit(1)
    ).scalar_one_or_none()
    if ended is not None:
        raise ExecutionEndedError(
            f"Execution {execution_id} of {instance_id!r} has ended with event {ended}; nothing can be appended to it.",
            "Ack late messages of an ended execution with an empty delta.",
        )
    taken = connection.execute(
        select(history.c.event_id).where(of_execution, history.c.event_id.in_([event.event_id for event in delta]))
    ).scalars()
    if clashing := sorted(taken):
        raise InvalidTurnError(
            f"Execution {execution_id} of {instance_id!r} has an event with the id {clashing[0]} already.",
            "Mend the caller: nothing was written.",
        )


def _write_instance(
    flavour: Flavour, connection: Connection, instance_id: str, execution_id: int, metadata: ExecutionMetadata, now: int
) -> None:
    this = instances.c.instance_id == instance_id
    if metadata.orchestration_name is not None and metadata.orchestration_version is not None:
        named = {
            "orchestration_name": metadata.orchestration_name,
            "orchestration_version": metadata.orchestration_version,
        }
        moment = flavour.created_at(now)
        row = {
            "instance_id": instance_id,
            "current_execution_id": execution_id,
            "parent_instance_id": metadata.parent_instance_id,
            "created_at": moment,
            "updated_at": moment,
            **named,
        }
        connection.execute(flavour.insert(instances).values(row).on_conflict_do_nothing())
        connection.execute(update(instances).where(this).values(named))
    current = instances.c.current_execution_id
    raised = case((current < execution_id, execution_id), else_=current)
    connection.execute(update(instances).where(this).values(current_execution_id=raised))


def _write_execution(
    flavour: Flavour, connection: Connection, instance_id: str, execution_id: int, metadata: ExecutionMetadata, now: int
) -> None:
    row = {
        "instance_id": instance_id,
        "execution_id": execution_id,
        "status": "Running",
        "started_at": flavour.created_at(now),
    }
    connection.execute(flavour.insert(executions).values(row).on_conflict_do_nothing())
    values: dict[str, object] = {}
    if metadata.pinned_version is not None:
        parts = ("duroxide_version_major", "duroxide_version_minor", "duroxide_version_patch")
        values.update(zip(parts, metadata.pinned_version, strict=True))
    if metadata.status is not None:
        timed = metadata.status in flavour.statuses_with_completed_at
        values |= {
            "status": metadata.status,
            "output": metadata.output,
            "completed_at": flavour.completed_at(now) if timed else None,
        }
    if values:
        this = and_(executions.c.instance_id == instance_id, executions.c.execution_id == execution_id)
        connection.execute(update(executions).where(this).values(values))


def _append(
    flavour: Flavour, connection: Connection, instance_id: str, execution_id: int, delta: Sequence[Event], now: int
) -> None:
    rows = [
        {
            "instance_id": instance_id,
            "execution_id": execution_id,
            "event_id": event.event_id,
            "event_type": flavour.event_type_column(event.type),
            "event_data": event.to_json(),
            "created_at": flavour.created_at(now),
        }
        for event in delta
    ]
    if rows:
        connection.execute(insert(history), rows)


def _write_custom_status(connection: Connection, instance_id: str, delta: Sequence[Event]) -> None:
    """The last update of the turn counts; each turn with one raises the version by one."""
    updates = [event for event in delta if event.type == "CustomStatusUpdated"]
    if updates:
        connection.execute(
            update(instances)
            .where(instances.c.instance_id == instance_id)
            .values(
                custom_status=updates[-1].payload.get("status"),
                custom_status_version=instances.c.custom_status_version + 1,
            )
        )


def _cancel(connection: Connection, activities: Sequence[Activity]) -> None:
    for instance_id, execution_id, activity_id in activities:
        connection.execute(
            delete(worker_queue).where(
                worker_queue.c.instance_id == instance_id,
                worker_queue.c.execution_id == execution_id,
                worker_queue.c.activity_id == activity_id,
            )
        )

"""Acking a turn: all that it did, in one transaction, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from holystone.clock import now_ms
from holystone.errors import ExecutionEndedError, InvalidTurnError, UnknownInstanceError
from holystone.store.event import Event
from holystone.store.events import RUNNING
from holystone.store.flavours import Flavour
from holystone.store.store import Store
from holystone.store.tables import (
    executions,
    history,
    instance_locks,
    instances,
    kv_delta,
    orchestrator_queue,
    worker_queue,
)
from holystone.store.turns import keyvalue, queues
from holystone.store.turns.delta import AFTER_THE_END, agreed, require_sound
from holystone.store.turns.lease import ExecutionMetadata
from holystone.store.turns.locks import lost, require_one
from holystone.store.work_item import WorkItem

Activity = tuple[str, int, int]
"""Instance id, execution id, and the id of the event that scheduled it."""

_MEND = "Mend the caller: nothing was written."


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
    ExecutionEndedError where the execution has ended before, UnknownInstanceError where there is no instance
    and no event that starts it: nothing is written then, and the lock stays as it is.

    A history that cannot be read may be ended all the same: as the engine does it, with an OrchestrationFailed at the
    event id 99999.
    """
    with store.turn() as connection:
        now = now_ms()
        turn = _locked(store, connection, lock_token, execution_id, now)
        written = agreed(metadata, history_delta, f"The turn of {turn.instance_id!r}, execution {execution_id},")
        require_sound(turn.instance_id, execution_id, history_delta)
        if history_delta:
            _require_appendable(store, connection, turn, history_delta)
        _write_instance(store.flavour, connection, turn, written, history_delta, now)
        _write_execution(store.flavour, connection, turn, written, now)
        _append(store.flavour, connection, turn, history_delta, now)
        has_keys = keyvalue.record(store, connection, turn.instance_id, history_delta, now) or turn.has_keys
        if written.status is not None and has_keys:
            keyvalue.merge(store, connection, turn.instance_id, execution_id)
        queues.put_for_worker(store.flavour, connection, worker_items, now)
        _cancel(connection, cancelled_activities)
        queues.put_for_orchestrator(store.flavour, connection, orchestrator_items, now)
        connection.execute(_TAKEN, {"token": lock_token})
        # Last of all: where somebody has taken the lock over meanwhile, nothing of the turn remains.
        require_one(connection.execute(_RELEASED, {"token": lock_token}).rowcount, "turn", lock_token)


@dataclass(frozen=True)
class _Turn:
    """What a turn is written to, as it stands.

    `current_execution_id` and `custom_status_version` are None where there is no such instance yet, `status` where
    there is no such execution; `has_keys` says whether earlier turns of the execution have changed keys.
    """

    instance_id: str
    execution_id: int
    current_execution_id: int | None
    custom_status_version: int | None
    status: str | None
    has_keys: bool

    def __str__(self) -> str:
        return f"Execution {self.execution_id} of {self.instance_id!r}"


_LOCKED = (
    select(
        instance_locks.c.instance_id,
        instances.c.current_execution_id,
        instances.c.custom_status_version,
        executions.c.status,
        exists().where(kv_delta.c.instance_id == instance_locks.c.instance_id).label("has_keys"),
    )
    .select_from(
        instance_locks.outerjoin(instances, instances.c.instance_id == instance_locks.c.instance_id).outerjoin(
            executions,
            and_(
                executions.c.instance_id == instance_locks.c.instance_id,
                executions.c.execution_id == bindparam("execution"),
            ),
        )
    )
    .where(instance_locks.c.lock_token == bindparam("token"), instance_locks.c.locked_until > bindparam("now"))
)
_TAKEN = delete(orchestrator_queue).where(orchestrator_queue.c.lock_token == bindparam("token"))
_RELEASED = delete(instance_locks).where(instance_locks.c.lock_token == bindparam("token"))


def _hold(flavour: Flavour) -> Select[Any] | None:
    """Wait for whoever works on the instance: an ack with the same token, or a deletion."""
    held = flavour.held(instance_locks.c.instance_id)
    return None if held is None else select(held).where(instance_locks.c.lock_token == bindparam("token"))


def _locked(store: Store, connection: Connection, lock_token: str, execution_id: int, now: int) -> _Turn:
    """Return what the token locks."""
    if (hold := store.prepared(_hold)) is not None:
        connection.execute(hold, {"token": lock_token})
    row = connection.execute(_LOCKED, {"token": lock_token, "execution": execution_id, "now": now}).one_or_none()
    if row is None:
        raise lost("turn", lock_token)
    return _Turn(execution_id=execution_id, **row._mapping)


def _require_appendable(store: Store, connection: Connection, turn: _Turn, delta: Sequence[Event]) -> None:
    """Raise where the execution has ended, by its history, or where its events go beyond the first new one."""
    may_have_ended = turn.status not in (None, RUNNING)
    ends = store.prepared(_ends, may_have_ended)
    ended, newest_id = connection.execute(ends, {"instance": turn.instance_id, "execution": turn.execution_id}).one()
    if ended is not None:
        raise ExecutionEndedError(
            f"{turn} has ended with event {ended}; nothing can be appended to it.",
            "Ack late messages of an ended execution with an empty delta.",
        )
    first = min(event.event_id for event in delta)
    if newest_id is not None and first <= newest_id:
        raise InvalidTurnError(
            f"{turn} goes as far as the event with the id {newest_id} already; event {first} cannot be appended to it.",
            _MEND,
        )


def _ends(flavour: Flavour, may_have_ended: bool) -> Select[Any]:
    """Select the event that ends an execution, and its newest one.

    Where its row does not say that it has ended, a glance at the history's end is enough: it need not be read whole.
    """
    events, tail = history.alias("events"), history.alias("tail")
    end = select(events.c.event_id).where(_of_execution(events), flavour.is_terminal(events.c.event_data)).limit(1)
    if not may_have_ended:
        decisive = flavour.event_type(tail.c.event_data).not_in(AFTER_THE_END)
        last = select(tail.c.event_id).where(_of_execution(tail), decisive).order_by(tail.c.event_id.desc()).limit(1)
        end = end.where(events.c.event_id == last.scalar_subquery())
    newest = select(func.max(history.c.event_id)).where(_of_execution(history))
    return select(end.scalar_subquery(), newest.scalar_subquery())


def _of_execution(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.instance_id == bindparam("instance"), table.c.execution_id == bindparam("execution"))


_INSTANCE = update(instances).where(instances.c.instance_id == bindparam("instance"))
_EXECUTION = update(executions).where(_of_execution(executions))


def _write_instance(
    flavour: Flavour,
    connection: Connection,
    turn: _Turn,
    metadata: ExecutionMetadata,
    delta: Sequence[Event],
    now: int,
) -> None:
    name, version = metadata.orchestration_name, metadata.orchestration_version
    values: dict[str, object] = {}
    if name is not None and version is not None:
        values = {"orchestration_name": name, "orchestration_version": version}
    # The last update of the turn counts; each turn with one raises the version by one.
    statuses = [event.payload.get("status") for event in delta if event.type == "CustomStatusUpdated"]
    if turn.current_execution_id is None:
        _require_start(turn, delta, values)
        moment = flavour.created_at(now)
        values |= {
            "instance_id": turn.instance_id,
            "current_execution_id": turn.execution_id,
            "parent_instance_id": metadata.parent_instance_id,
            "created_at": moment,
            "updated_at": moment,
        }
        if statuses:
            values |= {"custom_status": statuses[-1], "custom_status_version": 1}
        connection.execute(insert(instances), values)
        return
    if turn.current_execution_id < turn.execution_id:
        values["current_execution_id"] = turn.execution_id
    if statuses:
        values |= {"custom_status": statuses[-1], "custom_status_version": (turn.custom_status_version or 0) + 1}
    if flavour.turns_update_instances:
        values["updated_at"] = flavour.created_at(now)
    if values:
        connection.execute(_INSTANCE, {"instance": turn.instance_id, **values})


def _require_start(turn: _Turn, delta: Sequence[Event], named: object) -> None:
    """Raise where a turn would leave an execution without an instance, or an instance without a history."""
    if not named or not any(event.type == "OrchestrationStarted" for event in delta):
        raise UnknownInstanceError(
            f"There is no instance {turn.instance_id!r}, and the turn of its execution {turn.execution_id} does not "
            "start one.",
            "Begin the first turn of an instance with OrchestrationStarted: nothing was written.",
        )


def _write_execution(
    flavour: Flavour, connection: Connection, turn: _Turn, metadata: ExecutionMetadata, now: int
) -> None:
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
    if turn.status is None:
        row = {"instance_id": turn.instance_id, "execution_id": turn.execution_id, "status": RUNNING}
        connection.execute(insert(executions), row | {"started_at": flavour.created_at(now)} | values)
    elif values:
        connection.execute(_EXECUTION, {"instance": turn.instance_id, "execution": turn.execution_id, **values})


def _append(flavour: Flavour, connection: Connection, turn: _Turn, delta: Sequence[Event], now: int) -> None:
    rows = [
        {
            "instance_id": turn.instance_id,
            "execution_id": turn.execution_id,
            "event_id": event.event_id,
            "event_type": flavour.event_type_column(event.type),
            "event_data": event.to_json(),
            "created_at": flavour.created_at(now),
        }
        for event in delta
    ]
    if rows:
        connection.execute(insert(history), rows)


_CANCELLED = delete(worker_queue).where(
    worker_queue.c.instance_id == bindparam("instance"),
    worker_queue.c.execution_id == bindparam("execution"),
    worker_queue.c.activity_id == bindparam("activity"),
)


def _cancel(connection: Connection, activities: Sequence[Activity]) -> None:
    if activities:
        names = ("instance", "execution", "activity")
        connection.execute(_CANCELLED, [dict(zip(names, one, strict=True)) for one in activities])

"""Fetching a turn: find an instance with messages that nobody works on, lock it, and read what the turn needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, exists, not_, or_, select, update

from holystone.clock import now_ms
from holystone.errors import RecordError, UnreadableMessageError
from holystone.store.event import Event
from holystone.store.events import EVENT_TYPES
from holystone.store.flavours import Flavour
from holystone.store.store import Store
from holystone.store.tables import executions, history, instance_locks, instances, orchestrator_queue
from holystone.store.turns import keyvalue
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.locks import new_token
from holystone.store.work_item import WORK_ITEM_SHAPES, WorkItem

Version = tuple[int, int, int]

UNKNOWN_VERSION = "unknown"
"""What stands for the version of an orchestration that has not been resolved yet."""

_STARTS = ("StartOrchestration", "ContinueAsNew")
_DROPPED = "QueueMessage"
"""The kind of message that is not kept for an instance that is still to start."""
_KEPT = sorted(WORK_ITEM_SHAPES.keys() - {*_STARTS, _DROPPED})


def fetch(
    store: Store, lock_timeout_ms: int, supported: tuple[Version, Version] | None = None
) -> OrchestrationItem | None:
    """Return the next turn to take, locked for `lock_timeout_ms`, or None where there is none.

    `supported` is the lowest and the highest engine version whose executions the caller can replay; others, and
    their histories, are not touched. An instance that cannot be begun yet, because a message came before its
    start, is passed over, so that it holds up no other; messages of event queues are not kept for such a one.

    An instance with a message that cannot be read is passed over as well. UnreadableMessageError names the row where
    there is no other turn to take; nothing of it is written, and it stays until somebody mends or deletes it. (The
    engine loses such a message on SQLite without a word, and on PostgreSQL no turn of the whole store can be taken.)
    """
    unreadable: UnreadableMessageError | None = None
    with store.turn() as connection:
        now = now_ms()
        passed_over: list[str] = []
        while (instance_id := _candidate(store, connection, now, supported, passed_over)) is not None:
            try:
                item = _take(store, connection, instance_id, lock_timeout_ms, now)
            except UnreadableMessageError as error:
                unreadable, item = unreadable or error, None
            if item is not None:
                return item
            passed_over.append(instance_id)
    if unreadable is not None:
        raise unreadable
    return None


def _candidate(
    store: Store,
    connection: Connection,
    now: int,
    supported: tuple[Version, Version] | None,
    passed_over: Sequence[str],
) -> str | None:
    statement = store.prepared(_next_instance, supported is not None)
    values: dict[str, Any] = {"now": now, "moment": store.flavour.queue_time(now)}
    if supported is not None:
        values |= {"lowest": _packed(*supported[0]), "highest": _packed(*supported[1])}
    if passed_over:
        statement = statement.where(orchestrator_queue.c.instance_id.not_in(passed_over))
    return connection.execute(statement, values).scalar_one_or_none()


_LOCKED = exists().where(
    instance_locks.c.instance_id == orchestrator_queue.c.instance_id, instance_locks.c.locked_until > bindparam("now")
)


def _next_instance(flavour: Flavour, of_some_versions: bool) -> Select[Any]:
    """Select the instance of the first visible message whose instance is free and can be begun, or has been."""
    queue = orchestrator_queue
    begun = exists().where(instances.c.instance_id == queue.c.instance_id)
    kept = or_(*(queue.c.work_item.startswith(f'{{"{kind}"', autoescape=True) for kind in _KEPT))
    conditions = [queue.c.visible_at <= bindparam("moment"), not_(_LOCKED), or_(begun, not_(kept))]
    if of_some_versions:
        conditions.append(not_(_pinned_elsewhere()))
    order = [queue.c[name] for name in flavour.queue_order]
    return select(queue.c.instance_id).where(*conditions).order_by(*order).limit(1)


def _pinned_elsewhere() -> ColumnElement[bool]:
    """Return whether the current execution of the message's instance began on an engine outside the range."""
    major, minor, patch = (executions.c[f"duroxide_version_{part}"] for part in ("major", "minor", "patch"))
    return exists().where(
        instances.c.instance_id == orchestrator_queue.c.instance_id,
        executions.c.instance_id == instances.c.instance_id,
        executions.c.execution_id == instances.c.current_execution_id,
        major.is_not(None),
        not_(_packed(major, minor, patch).between(bindparam("lowest"), bindparam("highest"))),
    )


def _packed(major: Any, minor: Any, patch: Any) -> Any:
    return major * 1_000_000 + minor * 1_000 + patch


def _take(
    store: Store, connection: Connection, instance_id: str, lock_timeout_ms: int, now: int
) -> OrchestrationItem | None:
    """Lock the instance and return its turn; None where somebody was quicker or it cannot be begun yet."""
    if not store.flavour.hold_off_engine(connection, instance_id):
        return None
    rows = connection.execute(
        _MESSAGES, {"instance": instance_id, "now": now, "moment": store.flavour.queue_time(now)}
    ).all()
    if not rows:  # another worker's turn took them, between our look and our hold
        return None
    these = {"ids": [row.id for row in rows]}
    messages = [_message(row, instance_id) for row in rows]
    context = _context(connection, instance_id, messages)
    if context is None:
        if all(message.kind == _DROPPED for message in messages):
            connection.execute(_DROP, these)
        return None
    lock = {"lock_token": new_token(), "locked_until": now + lock_timeout_ms, "locked_at": now}
    taken = connection.execute(store.prepared(_lock), {"instance_id": instance_id, **lock})
    if taken.rowcount != 1:
        return None
    connection.execute(store.prepared(_stamp), {**these, "token": lock["lock_token"], "expiry": lock["locked_until"]})
    return OrchestrationItem(
        instance_id=instance_id,
        execution_id=context.execution_id,
        orchestration_name=context.name,
        orchestration_version=context.version,
        history=context.history,
        messages=messages,
        lock_token=str(lock["lock_token"]),
        attempt_count=1 + max(row.attempt_count for row in rows),
        kv=keyvalue.snapshot(connection, instance_id),
        history_error=context.history_error,
    )


_MESSAGES = (
    select(orchestrator_queue.c.id, orchestrator_queue.c.work_item, orchestrator_queue.c.attempt_count)
    .where(
        orchestrator_queue.c.instance_id == bindparam("instance"),
        orchestrator_queue.c.visible_at <= bindparam("moment"),
        not_(_LOCKED),  # or it was locked since we looked, and its ack waits for these rows while we wait for its lock
    )
    .order_by(orchestrator_queue.c.id)
    .with_for_update(of=orchestrator_queue)
)

_THESE = orchestrator_queue.c.id.in_(bindparam("ids", expanding=True))
_DROP = delete(orchestrator_queue).where(_THESE)


def _lock(flavour: Flavour) -> Any:
    """Lock an instance, or take over a lock that has expired: one row, or none where somebody holds it."""
    take = flavour.insert(instance_locks)
    lock = {name: take.excluded[name] for name in ("lock_token", "locked_until", "locked_at")}
    expired = instance_locks.c.locked_until <= take.excluded.locked_at
    take = take.on_conflict_do_update(index_elements=["instance_id"], set_=lock, where=expired)
    return take.execution_options(preserve_rowcount=True)


def _stamp(flavour: Flavour) -> Any:
    """Mark messages as those of a turn, and count an attempt at them."""
    stamp = {"lock_token": bindparam("token"), "attempt_count": orchestrator_queue.c.attempt_count + 1}
    if flavour.messages_carry_expiry:
        stamp["locked_until"] = bindparam("expiry")
    return update(orchestrator_queue).where(_THESE).values(stamp)


def _message(row: Any, instance_id: str) -> WorkItem:
    try:
        message = WorkItem.from_json(row.work_item)
    except RecordError as error:
        raise UnreadableMessageError(orchestrator_queue.name, row.id, instance_id, error.why) from error
    if message.kind not in WORK_ITEM_SHAPES:
        why = f"it is a {message.kind}, which is not known here"
        raise UnreadableMessageError(orchestrator_queue.name, row.id, instance_id, why)
    return message


@dataclass(frozen=True)
class _Context:
    execution_id: int
    name: str
    version: str
    history: Sequence[Event] = ()
    history_error: str | None = None


_CURRENT_HISTORY = (
    select(
        instances.c.orchestration_name,
        instances.c.orchestration_version,
        instances.c.current_execution_id,
        history.c.event_id,
        history.c.event_data,
    )
    .select_from(
        instances.outerjoin(
            history,
            and_(
                history.c.instance_id == instances.c.instance_id,
                history.c.execution_id == instances.c.current_execution_id,
            ),
        )
    )
    .where(instances.c.instance_id == bindparam("instance"))
    .order_by(history.c.event_id)
)


def _context(connection: Connection, instance_id: str, messages: Sequence[WorkItem]) -> _Context | None:
    """Return what is known of the instance from its row, or else from the message that starts it."""
    rows = connection.execute(_CURRENT_HISTORY, {"instance": instance_id}).all()
    if rows:
        return _known(instance_id, rows)
    for message in messages:
        if message.kind in _STARTS:
            fields = message.fields
            return _Context(1, fields["orchestration"], fields.get("version") or UNKNOWN_VERSION)
    return None


def _known(instance_id: str, rows: Sequence[Any]) -> _Context:
    name, version, execution_id = rows[0][:3]
    known = (execution_id, name, version or UNKNOWN_VERSION)
    try:
        events = [
            read_event(instance_id, execution_id, row.event_id, row.event_data)
            for row in rows
            if row.event_id is not None
        ]
    except RecordError as error:
        return _Context(*known, history_error=error.message)
    unknown = next((event for event in events if event.type not in EVENT_TYPES), None)
    if unknown is not None:  # as the engine: a newer one may be able to go on with it
        said = f"event {unknown.event_id} is a {unknown.type}, which is not known here"
        return _Context(*known, history_error=f"In {instance_id!r}, execution {execution_id}, {said}.")
    return _Context(*known, events)


def read_event(instance_id: str, execution_id: int, event_id: int, event_data: object) -> Event:
    """Return the event that a row of history holds; RecordError names the row where it holds none."""
    row = f"Event {event_id} of {instance_id!r}, execution {execution_id},"
    if not isinstance(event_data, str):  # SQLite keeps anything in any column
        raise RecordError(f"{row} cannot be read: it is no text.")
    try:
        return Event.from_json(event_data)
    except RecordError as error:
        raise RecordError(f"{row} cannot be read: {error.why}.", error.why) from error

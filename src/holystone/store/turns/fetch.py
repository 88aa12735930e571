"""Fetching a turn: find an instance with messages that nobody works on, lock it, and read what the turn needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    update,
)

from holystone.clock import now_ms
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import EVENT_TYPES
from holystone.duroxide.tables import (
    VERSION_COLUMNS,
    executions,
    history,
    instance_locks,
    instances,
    kv_store,
    orchestrator_queue,
)
from holystone.duroxide.work_item import STARTS, WORK_ITEM_SHAPES, WorkItem
from holystone.errors import RecordError, UnreadableMessageError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement
from holystone.store.open_store import OpenStore
from holystone.store.turns import kv
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.locks import DELETE_LOCK, DELETE_MESSAGES, is_live, new_token

Version = tuple[int, int, int]

UNKNOWN_VERSION = "unknown"
"""What stands for the version of an orchestration that has not been resolved yet."""

_DROPPED = "QueueMessage"
"""The kind of message that is not kept for an instance that is still to start."""
_KEPT = sorted(WORK_ITEM_SHAPES.keys() - {*STARTS, _DROPPED})


def fetch(
    store: OpenStore, lock_timeout_ms: int, supported: tuple[Version, Version] | None
) -> OrchestrationItem | None:
    """Return the next turn to take: see `Turns.fetch_orchestration_item`."""
    unreadable: UnreadableMessageError | None = None
    passed_over: list[str] = []
    while True:
        try:
            with store.turn() as connection:
                item = _take(store, connection, lock_timeout_ms, supported, passed_over)
                if item is not None:
                    return item
        except _NothingError:
            break
        except _NotNowError:
            continue
        except UnreadableMessageError as error:
            unreadable = unreadable or error
    if unreadable is not None:
        raise unreadable
    return None


class _NothingError(Exception):
    """There is nothing to fetch but what was passed over."""


class _NotNowError(Exception):
    """Somebody was quicker, or the instance cannot be begun yet: whatever was tried is undone."""


def _passed(place: int) -> str:
    return f"passed_{place}"


_LOCKED = exists().where(
    instance_locks.c.instance_id == orchestrator_queue.c.instance_id,
    is_live(instance_locks.c.locked_until, bindparam("now")),
)


_AT_ONCE = 32
"""How many messages a fetch looks at for one whose instance is not just being fetched by somebody else.

PostgreSQL sorts them by so many anyway.
"""


def _next_instance(flavour: Flavour, of_some_versions: bool, passed_over: int) -> Select[Any]:
    """Hold the instance of the first visible message whose instance is free and can be begun, or has been.

    None of those that were passed over.
    """
    queue = orchestrator_queue
    # One look-up for each message: of an EXISTS in an OR, PostgreSQL reads all instances for each fetch.
    begun = select(instances.c.instance_id).where(instances.c.instance_id == queue.c.instance_id).scalar_subquery()
    kept = or_(*(queue.c.work_item.startswith(f'{{"{kind}"', autoescape=True) for kind in _KEPT))
    conditions = [queue.c.visible_at <= bindparam("moment"), not_(_LOCKED), or_(begun.is_not(None), not_(kept))]
    if of_some_versions:
        conditions.append(not_(_pinned_elsewhere()))
    conditions += [queue.c.instance_id != bindparam(_passed(place)) for place in range(passed_over)]
    order = [queue.c[name] for name in flavour.queue_order]
    first = select(queue.c.instance_id).where(*conditions).order_by(*order).limit(_AT_ONCE).subquery("first")
    return select(first.c.instance_id).where(flavour.try_advisory_lock(first.c.instance_id)).limit(1)


def _pinned_elsewhere() -> ColumnElement[bool]:
    """Return whether the current execution of the message's instance began on an engine outside the range."""
    major, minor, patch = (executions.c[name] for name in VERSION_COLUMNS)
    # Of a version of which a part is lacking, the engine says that it is in no range.
    in_range = _packed(major, minor, patch).between(bindparam("lowest"), bindparam("highest"))
    return exists().where(
        instances.c.instance_id == orchestrator_queue.c.instance_id,
        executions.c.instance_id == instances.c.instance_id,
        executions.c.execution_id == instances.c.current_execution_id,
        major.is_not(None),
        not_(func.coalesce(in_range, false())),
    )


def _packed(major: Any, minor: Any, patch: Any) -> Any:
    return major * 1_000_000 + minor * 1_000 + patch


def _take(
    store: OpenStore,
    connection: Connection,
    lock_timeout_ms: int,
    supported: tuple[Version, Version] | None,
    passed_over: list[str],
) -> OrchestrationItem | None:
    """Hold and lock the next instance, and return its turn; it is among those passed over unless that is taken.

    None where its messages are not kept, or where another worker's turn took them between our look and our hold;
    _NotNowError where it was locked then, or cannot be begun yet; _NothingError where there is no instance.
    """
    now, token = now_ms(), new_token()
    until = now + lock_timeout_ms
    # Room for a power of two of them, so that there are few statements to keep.
    room = 1 << (len(passed_over) - 1).bit_length() if passed_over else 0
    wanted: dict[str, Any] = {"now": now, "moment": store.flavour.queue_time(now)}
    wanted |= {_passed(place): passed_over[min(place, len(passed_over) - 1)] for place in range(room)}
    if supported is not None:
        wanted |= {"lowest": _packed(*supported[0]), "highest": _packed(*supported[1])}
    stamp = wanted | {"token": token}
    if store.flavour.messages_carry_expiry:
        stamp["expiry"] = until
    stamped, locked, known = store.flavour.execute_pipeline(
        connection,
        [
            # In this order, in which an engine's late ack writes to them, too.
            (store.prepared(_stamp, supported is not None, room), stamp),
            (store.prepared(_lock), {"token": token, "until": until, "now": now}),
            (_CURRENT_HISTORY, {"token": token}),
        ],
    )
    if not stamped.rows:
        next_instance = store.prepared(_next_instance, supported is not None, room)
        (left,) = store.flavour.commit_pipeline(connection, [(next_instance, wanted)])
        if not left.rows:
            raise _NothingError
        passed_over.append(left.rows[0].instance_id)
        return None
    rows = sorted(stamped.rows, key=lambda row: row.id)
    instance_id = rows[0].instance_id
    passed_over.append(instance_id)
    if locked.rowcount != 1:
        raise _NotNowError
    messages = [_message(row, instance_id) for row in rows]
    context = _context(known.rows, instance_id, messages)
    if context is None:
        if all(message.kind == _DROPPED for message in messages):
            dropped: list[BoundStatement] = [(DELETE_MESSAGES, {"token": token}), (DELETE_LOCK, {"token": token})]
            store.flavour.commit_pipeline(connection, dropped)
            return None
        raise _NotNowError
    return OrchestrationItem(
        instance_id=instance_id,
        execution_id=context.execution_id,
        orchestration_name=context.name,
        orchestration_version=context.version,
        history=context.history,
        messages=messages,
        lock_token=token,
        attempt_count=max(row.attempt_count for row in rows),
        kv=kv.kv_before_execution(store, connection, instance_id) if context.has_keys else {},
        history_error=context.history_error,
    )


_INSTANCE = (
    select(orchestrator_queue.c.instance_id).where(orchestrator_queue.c.lock_token == bindparam("token")).limit(1)
)
"""The instance whose messages have just been marked."""


def _lock(flavour: Flavour) -> Any:
    """Lock the instance, or take over a lock that has expired: one row, or none where somebody holds it."""
    values = (bindparam("token", type_=Text), bindparam("until", type_=BigInteger), bindparam("now", type_=BigInteger))
    names = ("lock_token", "locked_until", "locked_at")
    take = flavour.insert(instance_locks).from_select(["instance_id", *names], _INSTANCE.add_columns(*values))
    lock = {name: take.excluded[name] for name in names}
    expired = instance_locks.c.locked_until <= take.excluded.locked_at
    take = take.on_conflict_do_update(index_elements=["instance_id"], set_=lock, where=expired)
    return take.execution_options(preserve_rowcount=True)


def _stamp(flavour: Flavour, of_some_versions: bool, passed_over: int) -> Any:
    """Mark the messages of the next instance, which is held, as those of a turn, and count an attempt at them."""
    queue = orchestrator_queue
    stamp: dict[str, Any] = {"lock_token": bindparam("token"), "attempt_count": queue.c.attempt_count + 1}
    if flavour.messages_carry_expiry:
        stamp["locked_until"] = bindparam("expiry")
    instance = _next_instance(flavour, of_some_versions, passed_over).scalar_subquery()
    visible = and_(queue.c.instance_id == instance, queue.c.visible_at <= bindparam("moment"))
    # It may have been locked since we looked, and its ack waits for these rows while we wait for its lock.
    these = update(queue).where(visible, not_(_LOCKED)).values(stamp)
    return these.returning(queue.c.id, queue.c.instance_id, queue.c.work_item, queue.c.attempt_count)


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
    has_keys: bool = False
    history_error: str | None = None


_CURRENT_HISTORY = (
    select(
        instances.c.orchestration_name,
        instances.c.orchestration_version,
        instances.c.current_execution_id,
        exists().where(kv_store.c.instance_id == instances.c.instance_id).label("has_keys"),
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
    .where(instances.c.instance_id == _INSTANCE.scalar_subquery())
    .order_by(history.c.event_id)
)


def _context(rows: Sequence[Any], instance_id: str, messages: Sequence[WorkItem]) -> _Context | None:
    """Return what is known of the instance from its row, or else from the message that starts it."""
    if rows:
        return _known(instance_id, rows)
    for message in messages:
        if message.kind in STARTS:
            fields = message.fields
            return _Context(1, fields["orchestration"], fields.get("version") or UNKNOWN_VERSION)
    return None


def _known(instance_id: str, rows: Sequence[Any]) -> _Context:
    name, version, execution_id, has_keys = rows[0][:4]
    known = partial(_Context, execution_id, name, version or UNKNOWN_VERSION, has_keys=bool(has_keys))
    try:
        events = [
            read_event(instance_id, execution_id, row.event_id, row.event_data)
            for row in rows
            if row.event_id is not None
        ]
    except RecordError as error:
        return known(history_error=error.message)
    unknown = next((event for event in events if event.type not in EVENT_TYPES), None)
    if unknown is not None:  # as the engine: a newer one may be able to go on with it
        said = f"event {unknown.event_id} is a {unknown.type}, which is not known here"
        return known(history_error=f"In {instance_id!r}, execution {execution_id}, {said}.")
    return known(history=events)


def read_event(instance_id: str, execution_id: int, event_id: int, event_data: object) -> Event:
    """Return the event that a row of history holds; RecordError names the row where it holds none."""
    row = f"Event {event_id} of {instance_id!r}, execution {execution_id},"
    if not isinstance(event_data, str):  # SQLite keeps anything in any column
        raise RecordError(f"{row} cannot be read: it is no text.")
    try:
        return Event.from_json(event_data)
    except RecordError as error:
        raise RecordError(f"{row} cannot be read: {error.why}.", error.why) from error

"""Fetching a turn: find an instance with messages that nobody works on, lock it, and read what the turn needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, not_, select, update

from holystone.clock import now_ms
from holystone.errors import RecordError
from holystone.store.event import Event
from holystone.store.events import EVENT_TYPES
from holystone.store.store import Store
from holystone.store.tables import executions, history, instance_locks, instances, orchestrator_queue
from holystone.store.turns import keyvalue
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.locks import new_token
from holystone.store.work_item import WorkItem

Version = tuple[int, int, int]

UNKNOWN_VERSION = "unknown"
"""What stands for the version of an orchestration that has not been resolved yet."""


def fetch(
    store: Store, lock_timeout_ms: int, supported: tuple[Version, Version] | None = None
) -> OrchestrationItem | None:
    """Return the next turn to take, locked for `lock_timeout_ms`, or None where there is none.

    `supported` is the lowest and the highest engine version whose executions the caller can replay; others, and
    their histories, are not touched. An instance that cannot be begun yet, because a message came before its
    start, is passed over, so that it holds up no other.
    """
    with store.transaction() as connection:
        now = now_ms()
        passed_over: list[str] = []
        while (instance_id := _candidate(store, connection, now, supported, passed_over)) is not None:
            savepoint = connection.begin_nested()
            item = _lock(store, connection, instance_id, lock_timeout_ms, now)
            if item is not None:
                savepoint.commit()
                return item
            savepoint.rollback()
            passed_over.append(instance_id)
    return None


def _candidate(
    store: Store,
    connection: Connection,
    now: int,
    supported: tuple[Version, Version] | None,
    passed_over: Sequence[str],
) -> str | None:
    queue = orchestrator_queue
    locked = exists().where(instance_locks.c.instance_id == queue.c.instance_id, instance_locks.c.locked_until > now)
    conditions = [queue.c.visible_at <= store.flavour.queue_time(now), not_(locked)]
    if passed_over:
        conditions.append(queue.c.instance_id.not_in(passed_over))
    if supported is not None:
        conditions.append(not_(_pinned_elsewhere(*supported)))
    statement = select(queue.c.instance_id).where(*conditions).order_by(queue.c.id).limit(1)
    return connection.execute(statement).scalar_one_or_none()


def _pinned_elsewhere(lowest: Version, highest: Version) -> ColumnElement[bool]:
    """Return whether the current execution of the message's instance began on an engine outside the range."""
    major, minor, patch = (executions.c[f"duroxide_version_{part}"] for part in ("major", "minor", "patch"))
    packed = major * 1_000_000 + minor * 1_000 + patch
    return exists().where(
        instances.c.instance_id == orchestrator_queue.c.instance_id,
        executions.c.instance_id == instances.c.instance_id,
        executions.c.execution_id == instances.c.current_execution_id,
        major.is_not(None),
        not_(packed.between(_packed(lowest), _packed(highest))),
    )


def _packed(version: Version) -> int:
    return version[0] * 1_000_000 + version[1] * 1_000 + version[2]


def _lock(
    store: Store, connection: Connection, instance_id: str, lock_timeout_ms: int, now: int
) -> OrchestrationItem | None:
    """Lock the instance and return its turn; None where somebody was quicker or it cannot be begun yet."""
    if not store.flavour.hold_off_engine(connection, instance_id):
        return None
    token = new_token()
    lock = {"lock_token": token, "locked_until": now + lock_timeout_ms, "locked_at": now}
    take = store.flavour.insert(instance_locks).values(instance_id=instance_id, **lock)
    expired = instance_locks.c.locked_until <= now
    take = take.on_conflict_do_update(index_elements=["instance_id"], set_=lock, where=expired)
    taken = connection.execute(take.execution_options(preserve_rowcount=True))
    if taken.rowcount != 1:
        return None
    messages, attempts = _take_messages(store, connection, instance_id, lock, now)
    if not messages:  # another worker's turn took them, between our look and our lock
        return None
    context = _context(connection, instance_id, messages)
    if context is None:
        return None
    return OrchestrationItem(
        instance_id=instance_id,
        execution_id=context.execution_id,
        orchestration_name=context.name,
        orchestration_version=context.version,
        history=context.history,
        messages=messages,
        lock_token=token,
        attempt_count=attempts,
        kv=keyvalue.snapshot(connection, instance_id),
        history_error=context.history_error,
    )


def _take_messages(
    store: Store, connection: Connection, instance_id: str, lock: dict[str, object], now: int
) -> tuple[list[WorkItem], int]:
    """Stamp the instance's visible messages with the lock; return them, and the highest count of attempts."""
    queue = orchestrator_queue
    visible = and_(queue.c.instance_id == instance_id, queue.c.visible_at <= store.flavour.queue_time(now))
    stamp = {"lock_token": lock["lock_token"], "attempt_count": queue.c.attempt_count + 1}
    if store.flavour.messages_carry_expiry:
        stamp["locked_until"] = lock["locked_until"]
    connection.execute(update(queue).where(visible).values(stamp))
    rows = connection.execute(
        select(queue.c.id, queue.c.work_item, queue.c.attempt_count)
        .where(queue.c.lock_token == lock["lock_token"])
        .order_by(queue.c.id)
    ).all()
    return [_work_item(instance_id, row.id, row.work_item) for row in rows], max(
        (row.attempt_count for row in rows), default=0
    )


def _work_item(instance_id: str, row_id: int, text: str) -> WorkItem:
    try:
        return WorkItem.from_json(text)
    except RecordError as error:
        raise RecordError(
            f"Message {row_id} for {instance_id!r} in orchestrator_queue cannot be read: {error.message}"
        ) from error


@dataclass(frozen=True)
class _Context:
    execution_id: int
    name: str
    version: str
    history: Sequence[Event]
    history_error: str | None = None


def _context(connection: Connection, instance_id: str, messages: Sequence[WorkItem]) -> _Context | None:
    """Return what is known of the instance from its row, or else from the message that starts it."""
    row = connection.execute(select(instances).where(instances.c.instance_id == instance_id)).one_or_none()
    if row is not None:
        version = row.orchestration_version or UNKNOWN_VERSION
        try:
            events = read_events(connection, instance_id, row.current_execution_id)
        except RecordError as error:
            return _Context(row.current_execution_id, row.orchestration_name, version, [], error.message)
        unknown = next((event for event in events if event.type not in EVENT_TYPES), None)
        if unknown is not None:  # as the engine: a newer one may be able to go on with it
            said = f"event {unknown.event_id} is a {unknown.type}, which is not known here"
            return _Context(row.current_execution_id, row.orchestration_name, version, [], said)
        return _Context(row.current_execution_id, row.orchestration_name, version, events)
    for message in messages:
        if message.kind in ("StartOrchestration", "ContinueAsNew"):
            fields = message.fields
            return _Context(1, fields["orchestration"], fields.get("version") or UNKNOWN_VERSION, [])
    return None


def read_events(connection: Connection, instance_id: str, execution_id: int | None = None) -> list[Event]:
    """Return the events of an execution in order, of all executions for None; RecordError names a bad one."""
    conditions = [history.c.instance_id == instance_id]
    if execution_id is not None:
        conditions.append(history.c.execution_id == execution_id)
    rows = connection.execute(
        select(history.c.execution_id, history.c.event_id, history.c.event_data)
        .where(*conditions)
        .order_by(history.c.execution_id, history.c.event_id)
    )
    events = []
    for row in rows:
        try:
            events.append(Event.from_json(row.event_data))
        except RecordError as error:
            of = f"{instance_id!r}, execution {row.execution_id}"
            raise RecordError(f"Event {row.event_id} of {of}, cannot be read: {error.message}") from error
    return events

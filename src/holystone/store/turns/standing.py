"""What a turn finds as it is acked: the instance that its token locks, its messages, and what came before."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    null,
    or_,
    select,
)

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import CONTINUE, RUNNING, TERMINAL
from holystone.duroxide.tables import executions, history, instance_locks, instances, kv_delta, orchestrator_queue
from holystone.duroxide.work_item import WorkItem
from holystone.errors import RecordError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement
from holystone.store.open_store import OpenStore
from holystone.store.turns.delta import AFTER_THE_END
from holystone.store.turns.locks import is_live, lock_lost_error
from holystone.store.turns.turn import History, Turn


def hold(flavour: Flavour) -> Select[Any] | None:
    """Wait for whoever works on the instance: an ack with the same token, or a deletion."""
    held = flavour.advisory_lock(instance_locks.c.instance_id)
    return None if held is None else select(held).where(instance_locks.c.lock_token == bindparam("token"))


def locked(
    store: OpenStore,
    connection: Connection,
    lock_token: str,
    execution_id: int,
    delta: Sequence[Event],
    wanted: Collection[int] | None,
    now: int,
) -> tuple[Turn, list[WorkItem], dict[int, Event | None]]:
    """Return what the token locks, the messages that the turn takes away, those that can be read, and earlier events.

    The events are those whose ids are `wanted`, all for None; None stands for one that cannot be read.
    """
    steps: list[BoundStatement] = []
    if (held := store.prepared(hold)) is not None:
        steps.append((held, {"token": lock_token}))
    steps.append((store.prepared(_standing, bool(delta)), {"token": lock_token, "execution": execution_id, "now": now}))
    steps.append((_MESSAGES, {"token": lock_token}))
    before = len(steps)
    of_execution = {"token": lock_token, "execution": execution_id}
    if wanted is None:
        steps.append((_EARLIER, of_execution))
    else:
        steps += [(_EARLIER_ONE, {**of_execution, "event": number}) for number in sorted(wanted)]
    found = store.flavour.execute_pipeline(connection, steps)
    standing, messages, *earlier = found[before - 2 :]
    if not standing.rows:
        raise lock_lost_error("turn", lock_token)
    read = [_read(row.work_item) for row in messages.rows]
    turn = Turn(execution_id=execution_id, **standing.rows[0]._asdict())
    events = {row.event_id: _event(row.event_data) for one in earlier for row in one.rows}
    return turn, [message for message in read if message is not None], events


_MESSAGES = select(orchestrator_queue.c.work_item).where(orchestrator_queue.c.lock_token == bindparam("token"))


def _read(text: object) -> WorkItem | None:
    try:
        return WorkItem.from_json(text)
    except RecordError:
        return None


def _event(text: str) -> Event | None:
    try:
        return Event.from_json(text)
    except RecordError:
        return None


_EARLIER = (
    select(history.c.event_id, history.c.event_data)
    .join(instance_locks, instance_locks.c.instance_id == history.c.instance_id)
    .where(instance_locks.c.lock_token == bindparam("token"), history.c.execution_id == bindparam("execution"))
)
_EARLIER_ONE = _EARLIER.where(history.c.event_id == bindparam("event"))


def _standing(flavour: Flavour, of_history: bool) -> Select[Any]:
    """Select what a token locks, and as far as it matters how the execution's history ends."""
    locks = instance_locks
    of_execution = and_(
        executions.c.instance_id == locks.c.instance_id, executions.c.execution_id == bindparam("execution")
    )
    end_id, newest_id = _ends(flavour) if of_history else (null(), null())
    return (
        select(
            locks.c.instance_id,
            instances.c.orchestration_name,
            instances.c.orchestration_version,
            instances.c.current_execution_id,
            instances.c.custom_status_version,
            executions.c.status,
            exists().where(kv_delta.c.instance_id == locks.c.instance_id).label("has_keys"),
            end_id.label("end_id"),
            newest_id.label("newest_id"),
            _goes_on(flavour).label("goes_on"),
        )
        .select_from(
            locks.outerjoin(instances, instances.c.instance_id == locks.c.instance_id).outerjoin(
                executions, of_execution
            )
        )
        .where(locks.c.lock_token == bindparam("token"), is_live(locks.c.locked_until, bindparam("now")))
    )


def _ends(flavour: Flavour) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the event that ends an execution, and its newest one.

    Where its row does not say that it has ended, a glance at the history's end is enough: it need not be read whole.
    """
    events, tail = history.alias("events"), history.alias("tail")
    end = select(events.c.event_id).where(_of_locked(events), flavour.is_terminal(events.c.event_data)).limit(1)
    decisive = flavour.event_type(tail.c.event_data).not_in(AFTER_THE_END)
    last = select(tail.c.event_id).where(_of_locked(tail), decisive).order_by(tail.c.event_id.desc()).limit(1)
    last = last.correlate(instance_locks)
    glance = end.where(events.c.event_id == last.scalar_subquery())
    goes_on = or_(executions.c.status.is_(None), executions.c.status == RUNNING)
    newest = select(func.max(history.c.event_id)).where(_of_locked(history))
    return case((goes_on, glance.scalar_subquery()), else_=end.scalar_subquery()), newest.scalar_subquery()


def _goes_on(flavour: Flavour) -> ColumnElement[Any]:
    """Return whether the current execution has ended by continuing as new alone, where the turn is of the next one."""
    events = history.alias("before")
    type = flavour.event_type(events.c.event_data)
    ends = select(and_(func.count() == 1, func.min(type) == CONTINUE)).where(
        events.c.instance_id == instance_locks.c.instance_id,
        events.c.execution_id == instances.c.current_execution_id,
        type.in_(sorted(TERMINAL)),
    )
    return case((bindparam("execution") == instances.c.current_execution_id + 1, ends.scalar_subquery()))


def _of_locked(events: FromClause) -> ColumnElement[bool]:
    return and_(events.c.instance_id == instance_locks.c.instance_id, events.c.execution_id == bindparam("execution"))


def read_history(store: OpenStore, connection: Connection, turn: Turn) -> History:
    """Return the history of a turn's execution."""
    key = {"instance": turn.instance_id, "execution": turn.execution_id}
    steps: list[BoundStatement] = [(store.prepared(_end_types), key), (_HISTORY, key)]
    ends, rows = store.flavour.execute_pipeline(connection, steps)
    events = [_event(row.event_data) for row in rows.rows]
    readable = [event for event in events if event is not None]
    return History([row.type for row in ends.rows], readable if len(readable) == len(events) else None)


_OF_EXECUTION = and_(history.c.instance_id == bindparam("instance"), history.c.execution_id == bindparam("execution"))
_HISTORY = select(history.c.event_data).where(_OF_EXECUTION).order_by(history.c.event_id)


def _end_types(flavour: Flavour) -> Select[Any]:
    """Select the types of an execution's terminal events."""
    type = flavour.event_type(history.c.event_data)
    return select(type.label("type")).where(_OF_EXECUTION, type.in_(sorted(TERMINAL)))

"""What a turn finds as it is acked, as its fetch left it; and whether that is still so.

Nobody else who keeps to the protocol changes what a live lock covers. So nothing has to be read before a turn is
written: the statements that write it are sent with one before them that has to find all as it was.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, and_, bindparam, exists, func, select

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import RUNNING, TERMINAL
from holystone.duroxide.tables import executions, history, instance_locks, instances, kv_delta, orchestrator_queue
from holystone.duroxide.work_item import WorkItem
from holystone.flavours import Flavour
from holystone.flavours.statements import Required, Step
from holystone.store.open_store import OpenStore
from holystone.store.turns.delta import AFTER_THE_END
from holystone.store.turns.lease import Standing
from holystone.store.turns.locks import is_live
from holystone.store.turns.standing import hold
from holystone.store.turns.turn import History, Turn


def remembered(
    taken: Standing, execution_id: int, wanted: Collection[int] | None
) -> tuple[Turn, Sequence[WorkItem], dict[int, Event | None]]:
    """Return what `locked` would, of a turn that `taken` is of."""
    turn = Turn(
        instance_id=taken.instance_id,
        execution_id=execution_id,
        orchestration_name=taken.orchestration_name,
        orchestration_version=taken.orchestration_version,
        current_execution_id=taken.current_execution_id,
        custom_status_version=taken.custom_status_version,
        status=taken.status,
        has_keys=taken.has_changed_keys,
        end_id=_end_id(taken),
        newest_id=_newest_id(taken),
        goes_on=None,
    )
    return turn, taken.messages, {e.event_id: e for e in taken.history if wanted is None or e.event_id in wanted}


def history_of(taken: Standing) -> History:
    """Return what `read_history` would."""
    return History([event.type for event in taken.history if event.type in TERMINAL], taken.history)


def _end_id(taken: Standing) -> int | None:
    """Return the event that ends the execution: by its row it goes on, so the last one tells, or any may."""
    events = taken.history
    if taken.status in (None, RUNNING):
        events = [event for event in events if event.type not in AFTER_THE_END][-1:]
    return next((event.event_id for event in events if event.type in TERMINAL), None)


def _newest_id(taken: Standing) -> int | None:
    return taken.history[-1].event_id if taken.history else None


def unchanged(store: OpenStore, taken: Standing, lock_token: str, execution_id: int, now: int) -> list[Step]:
    """Return how to wait for others at work on the instance, and to make sure that all is as it was taken."""
    token = {"token": lock_token}
    held = store.prepared(hold)
    as_taken = {
        **token,
        "now": now,
        "instance": taken.instance_id,
        "execution": execution_id,
        "current": taken.current_execution_id,
        "version": taken.custom_status_version,
        "status": taken.status,
        "newest": _newest_id(taken),
        "keys": int(taken.has_changed_keys),
        "messages": len(taken.messages),
    }
    guard = Required(store.prepared(_unchanged), as_taken)
    return [guard] if held is None else [(held, token), guard]


def _unchanged(flavour: Flavour) -> Select[Any]:
    locks, queue = instance_locks, orchestrator_queue
    of_execution = and_(
        executions.c.instance_id == locks.c.instance_id, executions.c.execution_id == bindparam("execution")
    )
    of_history = and_(
        history.c.instance_id == bindparam("instance", type_=Text),
        history.c.execution_id == bindparam("execution", type_=BigInteger),
    )
    newest = select(func.max(history.c.event_id)).where(of_history).scalar_subquery()
    messages = select(func.count()).where(queue.c.lock_token == bindparam("token")).scalar_subquery()
    keys = exists().where(kv_delta.c.instance_id == bindparam("instance", type_=Text))
    return (
        select(locks.c.instance_id)
        .select_from(
            locks.outerjoin(instances, instances.c.instance_id == locks.c.instance_id).outerjoin(
                executions, of_execution
            )
        )
        .where(
            locks.c.lock_token == bindparam("token"),
            locks.c.instance_id == bindparam("instance", type_=Text),
            is_live(locks.c.locked_until, bindparam("now")),
            _is(instances.c.current_execution_id, "current"),
            _is(instances.c.custom_status_version, "version"),
            _is(executions.c.status, "status"),
            newest.is_not_distinct_from(bindparam("newest", type_=BigInteger)),
            keys == (bindparam("keys", type_=Integer) == 1),
            messages == bindparam("messages", type_=BigInteger),
        )
    )


def _is(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    return column.is_not_distinct_from(bindparam(name, type_=column.type))

"""The statements of a fetch: which instance comes next, and how its turn is taken."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
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

from holystone.duroxide.tables import (
    VERSION_COLUMNS,
    executions,
    history,
    instance_locks,
    instances,
    kv_delta,
    kv_store,
    orchestrator_queue,
)
from holystone.duroxide.work_item import STARTS, WORK_ITEM_SHAPES
from holystone.flavours import Flavour
from holystone.store.turns.locks import is_live
from holystone.store.turns.passing import not_passed

Version = tuple[int, int, int]

DROPPED = "QueueMessage"
"""The kind of message that is not kept for an instance that is still to start."""
_KEPT = sorted(WORK_ITEM_SHAPES.keys() - {*STARTS, DROPPED})

_LOCKED = exists().where(
    instance_locks.c.instance_id == orchestrator_queue.c.instance_id,
    is_live(instance_locks.c.locked_until, bindparam("now")),
)

_AT_ONCE = 32
"""How many messages a fetch looks at for one whose instance is not just being fetched by somebody else.

PostgreSQL sorts them by so many anyway.
"""


def packed(major: Any, minor: Any, patch: Any) -> Any:
    """Return a version as the number that stands for it."""
    return major * 1_000_000 + minor * 1_000 + patch


def _first(flavour: Flavour, of_some_versions: bool, passed_over: int) -> Select[Any]:
    """Select the instances of the first visible messages whose instance is free and can be begun, or has been.

    None of those that were passed over.
    """
    queue = orchestrator_queue
    # One look-up for each message: of an EXISTS in an OR, PostgreSQL reads all instances for each fetch.
    begun = select(instances.c.instance_id).where(instances.c.instance_id == queue.c.instance_id).scalar_subquery()
    kept = or_(*(queue.c.work_item.like(f'{{"{kind}"%') for kind in _KEPT))
    conditions = [*_available(of_some_versions), or_(begun.is_not(None), not_(kept))]
    conditions += not_passed(queue.c.instance_id, passed_over)
    order = [queue.c[name] for name in flavour.queue_order]
    return select(queue.c.instance_id).where(*conditions).order_by(*order)


def _available(of_some_versions: bool) -> list[ColumnElement[bool]]:
    conditions = [orchestrator_queue.c.visible_at <= bindparam("moment"), not_(_LOCKED)]
    return [*conditions, not_(_pinned_elsewhere())] if of_some_versions else conditions


def next_instance(flavour: Flavour, of_some_versions: bool, passed_over: int) -> Select[Any]:
    """Select the instance whose turn is next, and hold nothing."""
    return _first(flavour, of_some_versions, passed_over).limit(1)


def waiting(flavour: Flavour, of_some_versions: bool) -> Select[Any]:
    """Select the messages of an instance that could be taken, with whether it has begun."""
    queue = orchestrator_queue
    begun = exists().where(instances.c.instance_id == queue.c.instance_id)
    wanted = select(queue.c.id, queue.c.work_item, begun.label("has_begun"))
    return wanted.where(queue.c.instance_id == bindparam("instance"), *_available(of_some_versions)).order_by(
        queue.c.id
    )


def _pinned_elsewhere() -> ColumnElement[bool]:
    """Return whether the current execution of the message's instance began on an engine outside the range."""
    major, minor, patch = (executions.c[name] for name in VERSION_COLUMNS)
    # Of a version of which a part is lacking, the engine says that it is in no range.
    in_range = packed(major, minor, patch).between(bindparam("lowest"), bindparam("highest"))
    return exists().where(
        instances.c.instance_id == orchestrator_queue.c.instance_id,
        executions.c.instance_id == instances.c.instance_id,
        executions.c.execution_id == instances.c.current_execution_id,
        major.is_not(None),
        not_(func.coalesce(in_range, false())),
    )


_INSTANCE = (
    select(orchestrator_queue.c.instance_id).where(orchestrator_queue.c.lock_token == bindparam("token")).limit(1)
)
"""The instance whose messages have just been marked."""


def stamp(flavour: Flavour, of_some_versions: bool, passed_over: int) -> Any:
    """Hold the next instance, mark its messages as those of a turn, and count an attempt at them."""
    queue = orchestrator_queue
    marks: dict[str, Any] = {"lock_token": bindparam("token"), "attempt_count": queue.c.attempt_count + 1}
    if flavour.messages_carry_expiry:
        marks["locked_until"] = bindparam("expiry")
    first = _first(flavour, of_some_versions, passed_over).limit(_AT_ONCE).subquery("first")
    held = select(first.c.instance_id).where(flavour.try_advisory_lock(first.c.instance_id)).limit(1)
    visible = and_(queue.c.instance_id == held.scalar_subquery(), queue.c.visible_at <= bindparam("moment"))
    # It may have been locked since we looked, and its ack waits for these rows while we wait for its lock.
    these = update(queue).where(visible, not_(_LOCKED)).values(marks)
    return these.returning(queue.c.id, queue.c.instance_id, queue.c.work_item, queue.c.attempt_count)


def lock(flavour: Flavour) -> Any:
    """Lock the instance whose messages are marked, or take over a lock that has expired.

    NoRowError where somebody was quicker.
    """
    values = (bindparam("token", type_=Text), bindparam("until", type_=BigInteger), bindparam("now", type_=BigInteger))
    names = ("lock_token", "locked_until", "locked_at")
    take = flavour.insert(instance_locks).from_select(["instance_id", *names], _INSTANCE.add_columns(*values))
    taken: dict[str, Any] = {name: take.excluded[name] for name in names}
    expired = instance_locks.c.locked_until <= take.excluded.locked_at
    taken["locked_until"] = flavour.or_fail(expired, take.excluded.locked_until)
    return take.on_conflict_do_update(index_elements=["instance_id"], set_=taken)


_MARKED = (
    select(
        instances.c.instance_id,
        instances.c.orchestration_name,
        instances.c.orchestration_version,
        instances.c.current_execution_id,
        instances.c.custom_status_version,
        executions.c.status,
        exists().where(kv_store.c.instance_id == instances.c.instance_id).label("has_keys"),
        exists().where(kv_delta.c.instance_id == instances.c.instance_id).label("has_changed_keys"),
    )
    .select_from(
        instances.outerjoin(
            executions,
            and_(
                executions.c.instance_id == instances.c.instance_id,
                executions.c.execution_id == instances.c.current_execution_id,
            ),
        )
    )
    .where(instances.c.instance_id == _INSTANCE.scalar_subquery())
    .offset(0)  # so that it is not asked anew for each event
    .subquery("marked")
)
CURRENT_HISTORY = (
    select(*(column for column in _MARKED.c if column.name != "instance_id"), history.c.event_id, history.c.event_data)
    .select_from(
        _MARKED.outerjoin(
            history,
            and_(
                history.c.instance_id == _MARKED.c.instance_id,
                history.c.execution_id == _MARKED.c.current_execution_id,
            ),
        )
    )
    .order_by(history.c.event_id)
)
"""The row of the instance whose messages are marked, with each event of its current execution."""

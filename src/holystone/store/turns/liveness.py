"""Whether an instance is still at work: what decides that it may be deleted, or an execution pruned.

The engine goes by the status column of the current execution alone, which destroys what is still running where the
column is wrong. Here the history has to agree.
"""

from typing import Any

from sqlalchemy import Connection, Select, Table, and_, func, select

from holystone.duroxide.event_types import COMPLETED, FAILED, RUNNING, STATUSES, TERMINAL
from holystone.duroxide.tables import executions, history, instance_locks, instances
from holystone.store.open_store import OpenStore
from holystone.store.turns.locks import is_live

ENDED = sorted(set(STATUSES) - {RUNNING})
"""The statuses of executions that have ended, by their rows."""

_ENDS = sorted(type for type, status in TERMINAL.items() if status in (COMPLETED, FAILED))


def reason_alive(store: OpenStore, connection: Connection, instance_id: str, now: int) -> str | None:
    """Return why an instance counts as still at work, as the rest of a sentence about it; None where it does not.

    It has ended where no turn of it is being taken, neither its current nor its newest execution is Running by its row,
    and the newest one has completed or failed by its history. One that continued as new goes on: it waits for the
    first turn of its next execution.
    """
    lock = select(instance_locks.c.instance_id).where(
        instance_locks.c.instance_id == instance_id, is_live(instance_locks.c.locked_until, now)
    )
    current = select(instances.c.current_execution_id).where(instances.c.instance_id == instance_id)
    facts = (lock, current, _highest(executions, instance_id), _highest(history, instance_id))
    locked, *numbers = connection.execute(select(*(fact.scalar_subquery() for fact in facts))).one()
    if locked is not None:
        return "is in the middle of a turn"
    newest = max(number for number in numbers if number is not None)
    running = select(executions.c.execution_id).where(
        executions.c.instance_id == instance_id,
        executions.c.execution_id.in_([newest, numbers[0]]),
        executions.c.status == RUNNING,
    )
    if (number := connection.execute(running.limit(1)).scalar_one_or_none()) is not None:
        return f"is still running: execution {number} has the status {RUNNING}"
    ends = store.flavour.event_type(history.c.event_data).in_(_ENDS)
    of_newest = and_(history.c.instance_id == instance_id, history.c.execution_id == newest)
    if connection.execute(select(history.c.event_id).where(of_newest, ends).limit(1)).first() is None:
        return f"is still running: the history of execution {newest} has neither completed nor failed"
    return None


def ended_by_history(store: OpenStore, connection: Connection, instance_id: str, numbers: list[int]) -> set[int]:
    """Return those of an instance's executions whose histories have an event that ends them."""
    of_these = and_(history.c.instance_id == instance_id, history.c.execution_id.in_(numbers))
    ended = select(history.c.execution_id).where(of_these, store.flavour.is_terminal(history.c.event_data))
    return set(connection.execute(ended.distinct()).scalars())


def _highest(table: Table, instance_id: str) -> Select[Any]:
    return select(func.max(table.c.execution_id)).where(table.c.instance_id == instance_id)

"""Reading histories, the status that one tells, and the executions as their rows have them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from holystone.store.event import Event
from holystone.store.events import COMPLETED, FAILED, RUNNING, TERMINAL, terminal_outcome
from holystone.store.store import Store
from holystone.store.tables import executions, history
from holystone.store.tables import instances as instance_rows
from holystone.store.turns.fetch import read_events

NOT_FOUND = "NotFound"


@dataclass(frozen=True)
class InstanceStatus:
    """What the engine's status API says of an instance: NotFound, Running, Completed or Failed."""

    status: str
    output: str | None = None
    custom_status: str | None = None
    custom_status_version: int = 0


def history_of(store: Store, instance_id: str, execution_id: int | None) -> list[Event]:
    """Return the events of an execution in order, of the latest one for None; none where there is no such."""
    with store.snapshot() as connection:
        if execution_id is None:
            newest = select(func.max(history.c.execution_id)).where(history.c.instance_id == instance_id)
            execution_id = connection.execute(newest).scalar_one_or_none()
        return [] if execution_id is None else read_events(connection, instance_id, execution_id)


def status_of(store: Store, instance_id: str) -> InstanceStatus:
    """Return the status that the latest history tells, as `get_orchestration_status` of the engine derives it.

    The last event that ends the instance counts. One that continued as new is Running: its next execution
    only waits for its first turn.
    """
    events = history_of(store, instance_id, None)
    with store.snapshot() as connection:
        wanted = select(instance_rows.c.custom_status, instance_rows.c.custom_status_version)
        row = connection.execute(wanted.where(instance_rows.c.instance_id == instance_id)).one_or_none()
    custom = (None, 0) if row is None else (row.custom_status, row.custom_status_version)
    for event in reversed(events):
        if TERMINAL.get(event.type) in (COMPLETED, FAILED):
            outcome = terminal_outcome({**event.payload, "type": event.type, "timestamp_ms": event.timestamp_ms})
            if outcome is not None:
                return InstanceStatus(outcome.status, outcome.output, *custom)
    started = any(event.type == "OrchestrationStarted" for event in events)
    return InstanceStatus(RUNNING, None, *custom) if started else InstanceStatus(NOT_FOUND)


@dataclass(frozen=True)
class ExecutionRow:
    """An execution as its row has it, right or wrong; the moments are as the flavour keeps them.

    `name` is the orchestration's, None where the instance has no row.
    """

    instance_id: str
    execution_id: int
    name: str | None
    status: str
    output: str | None
    started_at: Any
    completed_at: Any


def list_executions(
    store: Store,
    *,
    status: str | None = None,
    name: str | None = None,
    older_than_seconds: int | None = None,
    instance_id: str | None = None,
    instances: str | None = None,
    limit: int | None = None,
) -> list[ExecutionRow]:
    """Return the executions in the order of their ids, by the column and not by the history.

    `status`, `name` and `instance_id` are exact; `instances` is a pattern in which * and ? are wild;
    `older_than_seconds` goes by started_at.
    """
    conditions = []
    if status is not None:
        conditions.append(executions.c.status == status)
    if name is not None:
        conditions.append(instance_rows.c.orchestration_name == name)
    if older_than_seconds is not None:
        conditions.append(store.flavour.older_than(executions.c.started_at, older_than_seconds))
    if instance_id is not None:
        conditions.append(executions.c.instance_id == instance_id)
    if instances is not None:
        conditions.append(store.flavour.matches_glob(executions.c.instance_id, instances))
    wanted = (
        select(
            executions.c.instance_id,
            executions.c.execution_id,
            instance_rows.c.orchestration_name.label("name"),
            executions.c.status,
            executions.c.output,
            executions.c.started_at,
            executions.c.completed_at,
        )
        .select_from(executions.outerjoin(instance_rows, instance_rows.c.instance_id == executions.c.instance_id))
        .where(*conditions)
        .order_by(executions.c.instance_id, executions.c.execution_id)
        .limit(limit)
    )
    with store.snapshot() as connection:
        return [ExecutionRow(*row) for row in connection.execute(wanted)]

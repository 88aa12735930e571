"""Reading histories, the status that one tells, and the executions as their rows have them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import COMPLETED, FAILED, RUNNING, START, TERMINAL
from holystone.duroxide.outcome import terminal_outcome
from holystone.duroxide.tables import executions, history, not_completed
from holystone.duroxide.tables import instances as instance_rows
from holystone.store.open_store import OpenStore
from holystone.store.turns.fetch import read_event

NOT_FOUND = "NotFound"


@dataclass(frozen=True)
class InstanceStatus:
    """What the engine's status API says of an instance: NotFound, Running, Completed or Failed."""

    status: str
    output: str | None = None
    custom_status: str | None = None
    custom_status_version: int = 0


def _rows(instance_id: str, execution_id: int | None) -> Select[Any]:
    """Return the select of an execution's events in order, of the latest execution's for None."""
    executions_of = history.alias("executions_of")
    newest = select(func.max(executions_of.c.execution_id)).where(executions_of.c.instance_id == instance_id)
    wanted = newest.scalar_subquery() if execution_id is None else execution_id
    return (
        select(history)
        .where(history.c.instance_id == instance_id, history.c.execution_id == wanted)
        .order_by(history.c.event_id)
    )


def _event(row: Any) -> Event:
    return read_event(row.instance_id, row.execution_id, row.event_id, row.event_data)


def _custom_status(
    store: OpenStore, connection: Connection, instance_id: str, last_seen_version: int
) -> tuple[str | None, int] | None:
    if "custom_status" not in store.columns[instance_rows.name]:  # an older engine's, which has none
        return None
    row = connection.execute(
        select(instance_rows.c.custom_status, instance_rows.c.custom_status_version).where(
            instance_rows.c.instance_id == instance_id, instance_rows.c.custom_status_version > last_seen_version
        )
    ).one_or_none()
    return None if row is None else (row.custom_status, row.custom_status_version)


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


class Histories(OpenStore):
    """Histories, and the statuses that they tell."""

    def get_custom_status(self, instance_id: str, last_seen_version: int = 0) -> tuple[str | None, int] | None:
        """Return the custom status and its version where that is newer than the one last seen, else None.

        None also where there is no such instance.
        """
        with self.snapshot() as connection:
            return _custom_status(self, connection, instance_id, last_seen_version)

    def read_histories(self, instance_id: str) -> dict[int, list[Event]]:
        """Return the events of all executions of an instance: execution id -> its events in order.

        RecordError names an event that cannot be read.
        """
        found: dict[int, list[Event]] = {}
        every = select(history).where(history.c.instance_id == instance_id)
        with self.snapshot() as connection:
            for row in connection.execute(every.order_by(history.c.execution_id, history.c.event_id)):
                found.setdefault(row.execution_id, []).append(_event(row))
        return found

    def read_history(self, instance_id: str, execution_id: int | None = None) -> list[Event]:
        """Return the events of an execution in order, of the latest one for None; none where there is no such.

        RecordError names an event that cannot be read.
        """
        with self.snapshot() as connection:
            return [_event(row) for row in connection.execute(_rows(instance_id, execution_id))]

    def get_status(self, instance_id: str) -> InstanceStatus:
        """Return the status that the latest history tells, as `get_orchestration_status` of the engine derives it.

        The last event that ends the instance counts. One that continued as new is Running: its next execution only
        waits for its first turn. A history that cannot be read counts as far as its end can be: the engine fails one
        like that with a last event, and refuses to tell its status.
        """
        with self.snapshot() as connection:
            custom = _custom_status(self, connection, instance_id, -1) or (None, 0)
            started = False
            backwards = _rows(instance_id, None).order_by(None).order_by(history.c.event_id.desc())
            for event in map(_event, connection.execute(backwards)):
                if TERMINAL.get(event.type) in (COMPLETED, FAILED):
                    outcome = terminal_outcome(
                        {**event.payload, "type": event.type, "timestamp_ms": event.timestamp_ms}
                    )
                    if outcome is not None:
                        return InstanceStatus(outcome.status, outcome.output, *custom)
                started = started or event.type == START
        return InstanceStatus(RUNNING, None, *custom) if started else InstanceStatus(NOT_FOUND)

    def list_executions(
        self,
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
        `older_than_seconds` goes by started_at. By a status other than Completed they are found through an index of
        holystone's own, where `migrate upgrade` has made it; by any other way the whole table is read.
        """
        wanted = listing(
            self,
            status=status,
            name=name,
            older_than_seconds=older_than_seconds,
            instance_id=instance_id,
            instances=instances,
            limit=limit,
        )
        with self.snapshot() as connection:
            return [ExecutionRow(*row) for row in connection.execute(wanted)]


def listing(
    store: OpenStore,
    *,
    status: str | None = None,
    name: str | None = None,
    older_than_seconds: int | None = None,
    instance_id: str | None = None,
    execution_id: int | None = None,
    instances: str | None = None,
    limit: int | None = None,
) -> Select[Any]:
    """Return the select of what `list_executions` lists, in the order of the fields of ExecutionRow."""
    conditions = []
    if status is not None:
        conditions.append(executions.c.status == status)
        if status != COMPLETED:
            conditions.append(not_completed(executions.c.status))
    if name is not None:
        conditions.append(instance_rows.c.orchestration_name == name)
    if older_than_seconds is not None:
        conditions.append(store.flavour.older_than(executions.c.started_at, older_than_seconds))
    if instance_id is not None:
        conditions.append(executions.c.instance_id == instance_id)
    if execution_id is not None:
        conditions.append(executions.c.execution_id == execution_id)
    if instances is not None:
        conditions.append(store.flavour.matches_glob(executions.c.instance_id, instances))
    return (
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

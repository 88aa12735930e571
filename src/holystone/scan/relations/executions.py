"""Execution facts: the row, the event that ended it, and what that event demands of the row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, select

from holystone.scan.digest import digest_of
from holystone.scan.long_texts import unless_very_long
from holystone.scan.narrow import on
from holystone.scan.presence import there_is
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Key, Relation
from holystone.scan.relations.chains import ChainEnd, chain_end
from holystone.scan.relations.waits import would_be_stuck
from holystone.store import events
from holystone.store.engine_version import is_newer
from holystone.store.events import CONTINUED_AS_NEW, STILL_RUNNING, Outcome
from holystone.store.flavours import Flavour
from holystone.store.tables import executions, history, instances, orchestrator_queue


class ExecutionSource:
    """The executions, each with the last event of its history.

    In a store that is as it should be, the text of the last event settles every question; the history is
    gone through only where it does not, so expressions ask for the cheap thing first.
    """

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        joined = flavour.with_last_event(within)
        self._execution = joined.execution.c
        self._instance = instances.alias("instance").c
        of_instance = self._instance.instance_id == self._execution.instance_id
        narrowed = on(self._instance.instance_id, executions.c.instance_id, within)
        self.rows: FromClause = joined.rows.outerjoin(self._instance.instance_id.table, and_(of_instance, *narrowed))
        self._last = joined.last.c
        self.key = (self._execution.instance_id, self._execution.execution_id)
        self.status = self._execution.status
        self.stored_output = self._execution.output
        self.completed_at = self._execution.completed_at
        self.last_data: ColumnElement[str] = self._last.event_data

    def terminal_event(self, wanted: ColumnElement[str]) -> ColumnElement[str]:
        """Return `wanted`, an expression over history, of the terminal event; NULL without one.

        Looked for from the end backwards, as the engine's status API does: where two events are terminal,
        the last one counts.
        """
        is_terminal = self.flavour.is_terminal(history.c.event_data)
        latest = _events(self._execution).where(is_terminal).order_by(history.c.event_id.desc()).limit(1)
        return latest.with_only_columns(wanted).scalar_subquery()

    @cached_property
    def status_known(self) -> ColumnElement[bool]:
        return self.status.in_(events.STATUSES)

    @cached_property
    def status_agrees(self) -> ColumnElement[bool]:
        """The status is the one that the terminal event gives: Running without one."""
        at_first_sight = case(
            {status: self.flavour.event_says_type(self.last_data, kind) for kind, status in events.TERMINAL.items()},
            value=self.status,
            else_=False,
        )
        kind = self.flavour.event_type(history.c.event_data)
        derived = case(events.TERMINAL, value=self.terminal_event(kind), else_=events.RUNNING)
        # Not joined by OR, of which SQLite evaluates both sides where it is not a condition.
        return case((at_first_sight, True), else_=self.status == derived)

    @cached_property
    def ended(self) -> ColumnElement[bool]:
        """The row is of an ended execution, and rightly so."""
        return and_(self.status != events.RUNNING, self.status_agrees)

    @cached_property
    def has_completed_at(self) -> ColumnElement[bool]:
        """The engine gives a completed_at to executions of this status."""
        return self.status.in_(sorted(self.flavour.statuses_with_completed_at))

    @cached_property
    def output_surely_agrees(self) -> ColumnElement[bool]:
        """The output is the last event's; it may be right in other ways, which are left to the facts."""
        said_at = {
            events.COMPLETED: "$.output",
            events.CONTINUED_AS_NEW: "$.input",
            events.FAILED: "$.details.Application.message",
        }
        says = {
            status: self.flavour.event_says(self.last_data, path, self.stored_output)
            for status, path in said_at.items()
        }
        return func.coalesce(case(says, value=self.status, else_=self.stored_output.is_(None)), False)

    @cached_property
    def instance_exists(self) -> ColumnElement[bool]:
        return self._instance.instance_id.is_not(None)

    @cached_property
    def has_history(self) -> ColumnElement[bool]:
        return self.last_data.is_not(None)

    @cached_property
    def is_superseded(self) -> ColumnElement[bool]:
        """The instance's current execution is a later one."""
        return self._execution.execution_id < self._instance.current_execution_id

    @cached_property
    def is_current(self) -> ColumnElement[bool]:
        return self._execution.execution_id == self._instance.current_execution_id

    @cached_property
    def ends_by_continuing(self) -> ColumnElement[bool]:
        """The last event says that the execution continued as new; it may have done so in an earlier one, too."""
        return self.flavour.event_says_type(self.last_data, "OrchestrationContinuedAsNew")

    @cached_property
    def next_is_queued(self) -> ColumnElement[bool]:
        """A message waits that begins the instance's next execution."""
        begins_next = self.flavour.messages.is_kind(orchestrator_queue.c.work_item, "ContinueAsNew")
        return there_is(orchestrator_queue.c.instance_id == self._execution.instance_id, begins_next)

    def output(self) -> Sequence[ColumnElement[Any]]:
        messages = there_is(orchestrator_queue.c.instance_id == self._execution.instance_id)
        later = executions.alias("later").c
        followed = there_is(
            later.instance_id == self._execution.instance_id, later.execution_id > self._execution.execution_id
        )
        return [
            *self.key,
            self.status,
            self.stored_output,
            self.completed_at,
            self._last.event_id.label("last_event_id"),
            unless_very_long(self.flavour, self.last_data).label("last_data"),
            self.terminal_event(history.c.event_id).label("terminal_event_id"),
            self.instance_exists.label("instance_exists"),
            messages.label("awaited"),
            self.is_current.label("is_current"),
            followed.label("followed"),
            self._execution.started_at,
            self.flavour.completed_at_well_formed(self.completed_at).label("well_formed"),
        ]


@dataclass(frozen=True)
class ExecutionFacts:
    """One execution; `outcome` is None where its history cannot be read, so that nothing is decided.

    `chain_end` is there for the last execution of an instance that has continued as new. `end_may_be_lost` is whether
    the row has an end that the history has not, and nothing could take the execution on if it ran.
    """

    flavour: Flavour
    instance_id: str
    execution_id: int
    status: str
    output: str | None
    completed_at: Any
    completed_at_well_formed: bool
    outcome: Outcome | None
    last_event_id: int | None
    last_event_digest: str | None
    instance_exists: bool
    settled: bool
    followed: bool
    chain_end: ChainEnd | None
    end_may_be_lost: bool

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "execution_id": self.execution_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"last_event_id": self.last_event_id, "last_event_sha256": self.last_event_digest}

    @property
    def has_history(self) -> bool:
        return self.last_event_id is not None

    @property
    def is_ghost(self) -> bool:
        """Nothing but the row is there, and nothing is on its way."""
        return not self.instance_exists and not self.has_history and self.settled

    def observed(self, column: str) -> Any:
        match column:
            case "history":
                return "present" if self.has_history else "absent"
            case "instance":
                return "present" if self.instance_exists else "absent"
            case "continuation":
                return "present" if self.chain_end is not None and self.chain_end.queued else "absent"
            case "ending":
                return None if self.outcome is None else self.outcome.status
        return getattr(self, column)

    def decided(self, column: str) -> bool:
        if column in ("history", "instance"):
            return True
        if column == "continuation":
            return self.chain_end is not None
        if column == "ending":
            return self.followed and self.outcome is not None
        return self.outcome is not None

    def expected(self, column: str) -> Any:
        if column in ("history", "instance", "continuation"):
            return "present"
        if column == "ending":
            return CONTINUED_AS_NEW
        assert self.outcome is not None
        return self._expected_completed_at(self.outcome) if column == "completed_at" else getattr(self.outcome, column)

    def _expected_completed_at(self, outcome: Outcome) -> Any:
        if outcome.ended_at_ms is None or outcome.status not in self.flavour.statuses_with_completed_at:
            return None
        # The engine takes the time at ack, a little after the event's; what it wrote is kept.
        if self.completed_at is not None and self.completed_at_well_formed:
            return self.completed_at
        return self.flavour.completed_at(outcome.ended_at_ms)


class Executions(Relation[ExecutionFacts]):
    name = "executions"
    table = executions

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExecutionSource:
        return ExecutionSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ExecutionFacts:
        last = _text(reader, row, row.last_event_id, row.last_data)
        outcome = _outcome(reader, row, last)
        end = None
        if outcome is not None and outcome.status == CONTINUED_AS_NEW and row.is_current and not row.followed:
            assert outcome.ended_at_ms is not None
            end = chain_end(reader, row.instance_id, row.execution_id, outcome.ended_at_ms)
        return ExecutionFacts(
            flavour=reader.flavour,
            instance_id=row.instance_id,
            execution_id=row.execution_id,
            status=row.status,
            output=row.output,
            completed_at=row.completed_at,
            completed_at_well_formed=bool(row.well_formed) or not _counts_ms(reader),
            outcome=outcome,
            last_event_id=row.last_event_id,
            last_event_digest=None if last is None else digest_of(last),
            instance_exists=bool(row.instance_exists),
            settled=not row.awaited and reader.is_settled(row.started_at),
            followed=bool(row.followed),
            chain_end=end,
            end_may_be_lost=outcome is STILL_RUNNING
            and bool(row.is_current)
            and row.status in events.TERMINAL.values()
            and would_be_stuck(reader, row.instance_id, row.execution_id),
        )


def _counts_ms(reader: Reader) -> bool:
    """Return whether the engine that uses the store takes completed_at for ms: before 0.1.9 it wrote, and left, text.

    That version added parent_instance_id.
    """
    return "parent_instance_id" in reader.store.columns[instances.name]


def _text(reader: Reader, row: Any, event_id: Any, read: Any) -> Any:
    """Return the text of an event of the execution, which may have been read already; None where there is none."""
    if event_id is None or read is not None:
        return read
    return reader.event_text(row.instance_id, row.execution_id, event_id)


def _outcome(reader: Reader, row: Any, last: Any) -> Outcome | None:
    """Return what the history says, None where it says nothing that can be relied on.

    A history with an event that cannot be read decides only where its last event is terminal: older
    engines failed such an execution without any event, and the unreadable one may have been the end. A status that is
    unknown here, in a history that a newer engine wrote to, may be right.
    """
    if last is None:
        return None
    last_is_terminal = row.terminal_event_id == row.last_event_id
    if not last_is_terminal or row.status not in events.STATUSES:
        rows = reader.history(row.instance_id, row.execution_id)
        if row.status not in events.STATUSES and not all(map(_is_of_known_engine, rows)):
            return None
        if not last_is_terminal and not all(one.type in events.EVENT_TYPES for one in rows):
            return None
    if row.terminal_event_id is None:
        return STILL_RUNNING
    event = events.parse(_text(reader, row, row.terminal_event_id, last if last_is_terminal else None))
    return None if event is None else events.terminal_outcome(event)


def _is_of_known_engine(row: EventRow) -> bool:
    return row.type in events.EVENT_TYPES and row.event is not None and not is_newer(row.event["duroxide_version"])


def _events(execution: Any) -> Select[Any]:
    """Return the select of an execution's events; `execution` is a collection of columns that names it."""
    return select(history).where(*_of(execution))


def _of(execution: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that an event is of an execution."""
    return history.c.instance_id == execution.instance_id, history.c.execution_id == execution.execution_id


EXECUTIONS = Executions()

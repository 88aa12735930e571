"""Execution facts: the row, the event that ended it, and what that event demands of the row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, func, literal_column, select

from holystone.duroxide.event import parse_event
from holystone.duroxide.event_types import COMPLETED, CONTINUED_AS_NEW, EVENT_TYPES, FAILED, RUNNING, STATUSES, TERMINAL
from holystone.duroxide.outcome import STILL_RUNNING, Outcome, terminal_outcome
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import is_newer, since
from holystone.duroxide.tables import executions, history, instances, orchestrator_queue
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.digest import digest_of
from holystone.scan.event_text import text_or_type
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.long_texts import is_long, is_very_long, unless_long, unless_very_long
from holystone.scan.pushdown import rebind
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Key, Relation
from holystone.scan.relations.continuations import ChainEnd, chain_end
from holystone.scan.relations.decode import outcome_of
from holystone.scan.relations.running_executions import would_be_stuck
from holystone.scan.relations.upgrades import has_met


class ExecutionSource:
    """The executions, each with the last event of its history.

    In a store that is as it should be, the text of the last event settles every question; the history is
    gone through only where it does not, so expressions ask for the cheap thing first.

    SQLite keeps a copy of a text for each place of a statement that names it, so what is asked of a text is asked in
    one place, however many predicates need the answer; and one that is very long is left to the facts.
    """

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        self._within = within
        self._joined = flavour.with_last_event(within)
        self._columns: dict[str, ColumnElement[Any]] = {}
        self._answers: dict[str, ColumnElement[Any]] = {}
        row, last = self._joined.execution.c, self._joined.last
        self.instance_id = self._answer("instance_id", self._column("instance_id", row.instance_id))
        self.execution_id = self._answer("execution_id", self._column("execution_id", row.execution_id))
        self.status = self._answer("status", self._column("status", row.status))
        self.started_at = self._answer("started_at", self._column("started_at", row.started_at))
        self.completed_at = self._answer("completed_at", self._column("completed_at", row.completed_at))
        self.last_event_id = self._answer("last_event_id", self._column("last_event_id", last.c.event_id))
        self.key = (self.instance_id, self.execution_id)
        self._instance = instances.alias("instance").c

    def _column(self, name: str, expression: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return a column of the executions with their last events, which are read with those that somebody asks of."""
        self._columns[name] = expression
        return literal_column(f"read.{name}", expression.type)

    def _answer(self, name: str, expression: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the column of `rows` that has the value of an expression over an execution and its last event."""
        self._answers[name] = expression
        return literal_column(f"execution.{name}", expression.type)

    @property
    def rows(self) -> FromClause:
        # The offsets change no row: one keeps texts from being named anew in each place, one the answers from being
        # asked for anew.
        columns = [expression.label(name) for name, expression in self._columns.items()]
        read = select(*columns).select_from(self._joined.rows).offset(0).subquery("read")
        asked = [expression.label(name) for name, expression in self._answers.items()]
        execution = select(*asked).select_from(read).offset(0).subquery("execution")
        of_instance = self._instance.instance_id == execution.c.instance_id
        narrowed = rebind(self._instance.instance_id, executions.c.instance_id, self._within)
        return execution.outerjoin(self._instance.instance_id.table, and_(of_instance, *narrowed))

    @cached_property
    def _last_data(self) -> ColumnElement[str]:
        return self._column("last_data", text_or_type(self.flavour, self._joined.last))

    @cached_property
    def status_agrees(self) -> ColumnElement[bool]:
        """The status is the one that the terminal event gives: Running without one."""
        answers = self._answers
        key = answers["instance_id"], answers["execution_id"]
        return self._answer("status_agrees", _status_agrees(self.flavour, *key, answers["status"], self._last_data))

    @cached_property
    def ends_by_continuing(self) -> ColumnElement[bool]:
        """The last event says that the execution continued as new; it may have done so in an earlier one, too."""
        says = self.flavour.event_says_type(self._last_data, "OrchestrationContinuedAsNew")
        return self._answer("ends_by_continuing", says)

    @cached_property
    def status_known(self) -> ColumnElement[bool]:
        return self.status.in_(STATUSES)

    @cached_property
    def ended(self) -> ColumnElement[bool]:
        """The row is of an ended execution, and rightly so."""
        return and_(self.status != RUNNING, self.status_agrees)

    @cached_property
    def has_completed_at(self) -> ColumnElement[bool]:
        """The engine gives a completed_at to executions of this status."""
        return self.status.in_(sorted(self.flavour.statuses_with_completed_at))

    @cached_property
    def output_surely_agrees(self) -> ColumnElement[bool]:
        """The output is the last event's; it may be right in other ways, which are left to the facts."""
        said_at = {
            COMPLETED: "$.output",
            CONTINUED_AS_NEW: "$.input",
            FAILED: "$.details.Application.message",
        }
        row, status = self._joined.execution.c, self._answers["status"]
        output = self._column("output", unless_very_long(self.flavour, row.output))
        has_very_long = self._column("has_very_long_output", is_very_long(self.flavour, row.output))
        says = {kept: self.flavour.event_says(self._last_data, path, output) for kept, path in said_at.items()}
        agrees = func.coalesce(case(says, value=status, else_=output.is_(None)), False)
        return self._answer("output_surely_agrees", case((has_very_long, False), else_=agrees))

    @cached_property
    def instance_exists(self) -> ColumnElement[bool]:
        return self._instance.instance_id.is_not(None)

    @cached_property
    def has_history(self) -> ColumnElement[bool]:
        return self.last_event_id.is_not(None)

    @cached_property
    def is_superseded(self) -> ColumnElement[bool]:
        """The instance's current execution is a later one."""
        return self.execution_id < self._instance.current_execution_id

    @cached_property
    def is_current(self) -> ColumnElement[bool]:
        return self.execution_id == self._instance.current_execution_id

    @cached_property
    def next_is_queued(self) -> ColumnElement[bool]:
        """A message waits that begins the instance's next execution."""
        begins_next = self.flavour.messages.is_kind(orchestrator_queue.c.work_item, "ContinueAsNew")
        return exists_lookup(orchestrator_queue.c.instance_id == self.instance_id, begins_next)

    def output(self) -> Sequence[ColumnElement[Any]]:
        messages = exists_lookup(orchestrator_queue.c.instance_id == self.instance_id)
        later, row, last = executions.alias("later").c, executions.alias("row").c, history.alias("last").c
        followed = exists_lookup(later.instance_id == self.instance_id, later.execution_id > self.execution_id)
        of_row = (row.instance_id == self.instance_id, row.execution_id == self.execution_id)
        of_last = (last.instance_id == self.instance_id, last.execution_id == self.execution_id)
        output = select(unless_long(self.flavour, row.output)).where(*of_row)
        has_long_output = select(is_long(self.flavour, row.output)).where(*of_row)
        last_data = select(unless_long(self.flavour, last.event_data)).where(
            *of_last, last.event_id == self.last_event_id
        )
        return [
            self.instance_id.label("instance_id"),
            self.execution_id.label("execution_id"),
            self.status.label("status"),
            output.scalar_subquery().label("output"),
            has_long_output.scalar_subquery().label("has_long_output"),
            self.completed_at.label("completed_at"),
            self.last_event_id.label("last_event_id"),
            last_data.scalar_subquery().label("last_data"),
            self.instance_exists.label("instance_exists"),
            messages.label("awaited"),
            self.is_current.label("is_current"),
            followed.label("followed"),
            self.started_at.label("started_at"),
            self.flavour.completed_at_well_formed(self.completed_at).label("well_formed"),
        ]


@dataclass(frozen=True)
class ExecutionFacts:
    """One execution; `row` has the columns that are copies of its events.

    `outcome` is None where its history cannot be read, so that nothing is decided.

    `chain_end` is there for the last execution of an instance that has continued as new. `end_may_be_lost` is whether
    the row has an end that the history has not, and nothing could take the execution on if it ran.
    """

    flavour: Flavour
    instance_id: str
    execution_id: int
    row: Mapping[str, Any]
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

    @property
    def status(self) -> Compared[Any]:
        return self._copied("status", None if self.outcome is None else self.outcome.status)

    @property
    def output(self) -> Compared[Any]:
        return self._copied("output", None if self.outcome is None else self.outcome.output)

    @property
    def completed_at(self) -> Compared[Any]:
        return self._copied("completed_at", None if self.outcome is None else self._ended_at(self.outcome))

    @property
    def history(self) -> Compared[str]:
        return presence("history", self.has_history)

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", self.instance_exists)

    @property
    def ending(self) -> Compared[str | None]:
        """How it came to its end, of an execution that later ones follow."""
        ending = None if self.outcome is None else self.outcome.status
        return Compared("ending", ending, CONTINUED_AS_NEW, decided=self.followed and ending is not None)

    @property
    def continuation(self) -> Compared[str]:
        """The message that begins the next execution."""
        is_queued = self.chain_end is not None and self.chain_end.queued
        return presence("continuation", is_queued, decided=self.chain_end is not None)

    def _copied(self, column: str, expected: Any) -> Compared[Any]:
        return Compared(column, self.row[column], expected, decided=self.outcome is not None)

    def _ended_at(self, outcome: Outcome) -> Any:
        if outcome.ended_at_ms is None or outcome.status not in self.flavour.statuses_with_completed_at:
            return None
        # The engine takes the time at ack, a little after the event's; what it wrote is kept.
        if self.row["completed_at"] is not None and self.completed_at_well_formed:
            return self.row["completed_at"]
        return self.flavour.completed_at(outcome.ended_at_ms)


class Executions(Relation[ExecutionSource, ExecutionFacts]):
    name = "executions"
    table = executions
    reported = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExecutionSource:
        return ExecutionSource(flavour, within)

    def outcome(self, reader: Reader, row: Any) -> Outcome | None:
        """Return what the history says of an execution, None where nothing in it can be relied on."""
        return _told(reader, row)[0]

    def facts(self, reader: Reader, row: Any) -> ExecutionFacts:
        outcome, digest = _told(reader, row)
        end = None
        if outcome is not None and outcome.status == CONTINUED_AS_NEW and row.is_current and not row.followed:
            assert outcome.ended_at_ms is not None
            end = chain_end(reader, row.instance_id, row.execution_id, outcome.ended_at_ms)
        return ExecutionFacts(
            flavour=reader.flavour,
            instance_id=row.instance_id,
            execution_id=row.execution_id,
            row={
                "status": row.status,
                "output": reader.output(row.instance_id, row.execution_id) if row.has_long_output else row.output,
                "completed_at": row.completed_at,
            },
            completed_at_well_formed=bool(row.well_formed) or not _counts_ms(reader),
            outcome=outcome,
            last_event_id=row.last_event_id,
            last_event_digest=digest,
            instance_exists=bool(row.instance_exists),
            settled=not row.awaited and reader.is_settled(row.started_at),
            followed=bool(row.followed),
            chain_end=end,
            end_may_be_lost=outcome is STILL_RUNNING
            and bool(row.is_current)
            and row.status in TERMINAL.values()
            and would_be_stuck(reader, row.instance_id, row.execution_id),
        )


def _counts_ms(reader: Reader) -> bool:
    """Return whether the engine that uses the store takes completed_at for ms: earlier ones wrote, and left, text."""
    return has_met(reader, since(Rule.completed_at_in_ms))


def _told(reader: Reader, row: Any) -> tuple[Outcome | None, str | None]:
    """Return what the history says, None where it says nothing that can be relied on; and its last event's digest.

    A history with an event that cannot be read decides only where its last event is terminal: older
    engines failed such an execution without any event, and the unreadable one may have been the end. A status that is
    unknown here, in a history that a newer engine wrote to, may be right.
    """
    if row.last_event_id is None:
        return None, None
    text = row.last_data
    if text is None:
        text = reader.event_text(row.instance_id, row.execution_id, row.last_event_id)
    if text is None:
        return None, None
    digest = digest_of(text)
    end = parse_event(text)
    del text  # either can be as long as a database takes one
    is_last = end is not None and end["type"] in TERMINAL
    if not is_last or row.status not in STATUSES:
        rows = reader.history(row.instance_id, row.execution_id)
        if row.status not in STATUSES and not all(map(_is_of_known_engine, rows)):
            return None, digest
        if not is_last:
            return outcome_of(rows), digest
    assert end is not None
    return terminal_outcome(end), digest


def _is_of_known_engine(row: EventRow) -> bool:
    return row.type in EVENT_TYPES and row.event is not None and not is_newer(row.event["duroxide_version"])


def _status_agrees(
    flavour: Flavour,
    instance_id: ColumnElement[str],
    execution_id: ColumnElement[int],
    status: ColumnElement[str],
    last_data: ColumnElement[str],
) -> ColumnElement[bool]:
    """Return whether the status of an execution is the one that the terminal event gives: Running without one.

    The event is looked for from the end backwards, as the engine's status API does: where two are terminal, the last
    one counts.
    """
    at_first_sight = case(
        {status: flavour.event_says_type(last_data, kind) for kind, status in TERMINAL.items()},
        value=status,
        else_=False,
    )
    event, is_very = history.c, is_very_long(flavour, history.c.event_data)
    kind = case((is_very, flavour.type_at_a_glance(history)), else_=flavour.event_type(event.event_data))
    ends = case(
        (is_very, flavour.type_at_a_glance(history).in_(sorted(TERMINAL))),
        else_=flavour.is_terminal(event.event_data),
    )
    of_execution = (event.instance_id == instance_id, event.execution_id == execution_id)
    latest = select(kind).where(*of_execution, ends).order_by(event.event_id.desc()).limit(1).scalar_subquery()
    derived = case(TERMINAL, value=latest, else_=RUNNING)
    # Not joined by OR, of which SQLite evaluates both sides where it is not a condition.
    return case((at_first_sight, True), else_=status == derived)


EXECUTIONS = Executions()

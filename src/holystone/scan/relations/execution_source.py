"""The executions as a database sees them, each beside the last event of its history."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Label,
    Select,
    and_,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from holystone.duroxide.event_types import COMPLETED, CONTINUED_AS_NEW, FAILED, RUNNING, STATUSES, TERMINAL
from holystone.duroxide.tables import executions, history, instances, orchestrator_queue
from holystone.flavours import Flavour
from holystone.flavours.expressions import WithLastEvent
from holystone.scan.event_text import may_be_of_type, text_or_type
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.long_texts import is_long, is_very_long, unless_long, unless_very_long
from holystone.scan.pushdown import rebind

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

_STATUS_AGREES, _OUTPUT_AGREES = "status_agrees", "output_surely_agrees"
_LAST_EVENT_ID, _INSTANCE = "last_event_id", "instance"
_OF_INSTANCE = ("instance_id", "current_execution_id")
_APPLICATION = '{"Application":{"kind":'
_SAYS_OUTPUT = {
    COMPLETED: (('"output":', ""),),
    CONTINUED_AS_NEW: (('"input":', ""),),
    FAILED: (
        (_APPLICATION + '"ActivityFailed","message":', ""),
        (_APPLICATION + '"OrchestrationFailed","message":', ""),
        (_APPLICATION + '{"Cancelled":{"reason":', "canceled: "),
        (_APPLICATION + '"Panicked","message":', "orchestration panicked: "),
    ),
}
"""Status -> what stands before the output in a terminal event, as the engine writes it, and before it in the row.

Of failures those that are common: `error_details.display_message` has all of them.
"""


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
        self._columns: list[str] = []
        self._asked: set[str] = set()
        row = executions.c
        self.instance_id = self._column("instance_id", row.instance_id)
        self.execution_id = self._column("execution_id", row.execution_id)
        self.status = self._column("status", row.status)
        self.started_at = self._column("started_at", row.started_at)
        self.completed_at = self._column("completed_at", row.completed_at)
        self.last_event_id = self._column(_LAST_EVENT_ID, history.c.event_id)
        self.key = (self.instance_id, self.execution_id)
        self._instance = instances.alias("instance").c

    def _column(self, name: str, stored: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return a column of `rows` that is one of the executions or of their last events."""
        self._columns.append(name)
        return literal_column(f"execution.{name}", stored.type)

    def _answer(self, name: str) -> ColumnElement[bool]:
        """Return the column of `rows` that has an answer which takes the text of the last event."""
        self._asked.add(name)
        return literal_column(f"execution.{name}", Boolean())

    def _of_instance(self, name: str) -> ColumnElement[Any]:
        """Return a column of the instance, NULL where there is none."""
        self._asked.add(_INSTANCE)
        if self.flavour.finds_instances_of_executions:
            return literal_column(f"execution.instance_{name}", self._instance[name].type)
        return self._instance[name]

    @property
    def rows(self) -> FromClause:
        joined = self.flavour.with_last_event(self._within, with_instance=_INSTANCE in self._asked)
        # The offset changes no row, and keeps the answers from being asked for anew in each place.
        execution = self._answered(joined).offset(0).subquery("execution")
        if self.flavour.finds_instances_of_executions:
            return execution
        of_instance = self._instance.instance_id == execution.c.instance_id
        narrowed = rebind(self._instance.instance_id, executions.c.instance_id, self._within)
        return execution.outerjoin(self._instance.instance_id.table, and_(of_instance, *narrowed))

    def _answered(self, joined: WithLastEvent) -> Select[Any]:
        """Return the select of the columns of executions and their last events, with the answers that are asked for."""
        flavour, row, last = self.flavour, joined.execution.c, joined.last
        columns = [(last.c.event_id if name == _LAST_EVENT_ID else row[name]).label(name) for name in self._columns]
        if joined.instance is not None:
            columns += [joined.instance.c[name].label(f"instance_{name}") for name in _OF_INSTANCE]
        if _OUTPUT_AGREES not in self._asked:
            answers = []
            if _STATUS_AGREES in self._asked:
                answers.append(agrees_in_status(flavour, row, lambda kind: may_be_of_type(flavour, last, kind)))
            return select(*columns, *answers).select_from(joined.rows)
        texts = [
            text_or_type(flavour, last).label("last_data"),
            unless_very_long(flavour, row.output).label("output"),
            is_very_long(flavour, row.output).label("has_very_long_output"),
        ]
        # Two answers from one text take a step more; this offset keeps the texts from being named anew in each place.
        read = select(*columns, *texts).select_from(joined.rows).offset(0).subquery("read").c
        answers = [agrees_in_output(flavour, read)]
        if _STATUS_AGREES in self._asked:
            answers.append(agrees_in_status(flavour, read, partial(flavour.event_says_type, read.last_data)))
        return select(*(read[column.name] for column in columns), *answers)

    @cached_property
    def status_agrees(self) -> ColumnElement[bool]:
        """The status is the one that the terminal event gives: Running without one."""
        return self._answer(_STATUS_AGREES)

    @cached_property
    def output_surely_agrees(self) -> ColumnElement[bool]:
        """The output is the last event's; it may be right in other ways, which are left to the facts."""
        return self._answer(_OUTPUT_AGREES)

    @cached_property
    def surely_continued(self) -> ColumnElement[bool]:
        """The execution continued as new, and its row says so."""
        return and_(self.status == CONTINUED_AS_NEW, self.status_agrees)

    @cached_property
    def may_have_continued(self) -> ColumnElement[bool]:
        """The execution continued as new, as far as its row tells."""
        return or_(self.status == CONTINUED_AS_NEW, not_(self.status_agrees))

    @cached_property
    def status_known(self) -> ColumnElement[bool]:
        return or_(self.status_agrees, self.status.in_(STATUSES))

    @cached_property
    def ended(self) -> ColumnElement[bool]:
        """The row is of an ended execution, and rightly so."""
        return and_(self.status != RUNNING, self.status_agrees)

    @cached_property
    def has_completed_at(self) -> ColumnElement[bool]:
        """The engine gives a completed_at to executions of this status."""
        return self.status.in_(sorted(self.flavour.statuses_with_completed_at))

    @cached_property
    def instance_exists(self) -> ColumnElement[bool]:
        return self._of_instance("instance_id").is_not(None)

    @cached_property
    def has_history(self) -> ColumnElement[bool]:
        return self.last_event_id.is_not(None)

    @cached_property
    def is_superseded(self) -> ColumnElement[bool]:
        """The instance's current execution is a later one."""
        return self.execution_id < self._of_instance("current_execution_id")

    @cached_property
    def is_current(self) -> ColumnElement[bool]:
        return self.execution_id == self._of_instance("current_execution_id")

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
        # Looked up, for few are found, and nothing else may ask for the instances of all.
        of_instance = instances.c.instance_id == self.instance_id
        is_current = exists_lookup(of_instance, instances.c.current_execution_id == self.execution_id)
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
            exists_lookup(of_instance).label("instance_exists"),
            messages.label("awaited"),
            is_current.label("is_current"),
            followed.label("followed"),
            self.started_at.label("started_at"),
            self.flavour.completed_at_well_formed(self.completed_at).label("well_formed"),
        ]


def agrees_in_status(
    flavour: Flavour, row: "ReadOnlyColumnCollection[str, Any]", last_is: Callable[[str], ColumnElement[bool]]
) -> Label[bool]:
    """Return whether the status of an execution is the one that the terminal event gives: Running without one.

    `last_is` tells at first sight whether the last event is of a type. Where it is not of the type that the status asks
    for, the terminal event is looked for from the end backwards, as the engine's status API does: where two are
    terminal, the last one counts.
    """
    at_first_sight = case({status: last_is(kind) for kind, status in TERMINAL.items()}, value=row.status, else_=False)
    event, is_very = history.c, is_very_long(flavour, history.c.event_data)
    kind = case((is_very, flavour.type_at_a_glance(history)), else_=flavour.event_type(event.event_data))
    ends = case(
        (is_very, flavour.type_at_a_glance(history).in_(sorted(TERMINAL))),
        else_=flavour.is_terminal(event.event_data),
    )
    of_execution = (event.instance_id == row.instance_id, event.execution_id == row.execution_id)
    latest = select(kind).where(*of_execution, ends).order_by(event.event_id.desc()).limit(1).scalar_subquery()
    derived = case(TERMINAL, value=latest, else_=RUNNING)
    # Not joined by OR, of which SQLite evaluates both sides where it is not a condition.
    return case((at_first_sight, True), else_=row.status == derived).label(_STATUS_AGREES)


def agrees_in_output(flavour: Flavour, row: "ReadOnlyColumnCollection[str, Any]") -> Label[bool]:
    """Return whether the output of an execution is the one in the text of its last event, as far as SQL tells."""
    says = {
        status: case(*((_says(flavour, row, name, before), True) for name, before in forms), else_=False)
        for status, forms in _SAYS_OUTPUT.items()
    }
    agrees = func.coalesce(case(says, value=row.status, else_=row.output.is_(None)), False)
    return case((row.has_very_long_output, False), else_=agrees).label(_OUTPUT_AGREES)


def _says(flavour: Flavour, row: "ReadOnlyColumnCollection[str, Any]", name: str, before: str) -> ColumnElement[bool]:
    """Return whether an output is what comes `before` and then what the last event says after `name`."""
    if not before:
        return flavour.event_says(row.last_data, name, row.output)
    said = func.substr(row.output, len(before) + 1)
    return and_(func.substr(row.output, 1, len(before)) == before, flavour.event_says(row.last_data, name, said))

"""The rows of executions and of their instances, beside the events that they are copies of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, Table, and_, case, func, select, true, union

from holystone.scan.narrow import on
from holystone.scan.presence import there_is
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions
from holystone.scan.sieves.sieve import streamed
from holystone.store.events import CONTINUED_AS_NEW, FAILED, RUNNING, TERMINAL, display_message
from holystone.store.flavours import Flavour
from holystone.store.tables import executions, history, instances

NEEDS: Mapping[str, Collection[str]] = {"instances": ("parent_instance_id", "custom_status")}
"""The columns that the engine's first versions did not have yet."""

_OUTPUT = {"OrchestrationCompleted": "output", "OrchestrationContinuedAsNew": "input"}
"""Type of a terminal event -> the field that the engine copies into the row."""


class Row(NamedTuple):
    """A row of executions, with that of its instance: None where there is none."""

    instance_id: Any
    execution_id: Any
    status: Any
    output: Any
    is_untimed: Any
    """Whether it has no completed_at."""
    well_timed: Any
    """Whether it has one in the form that the engine writes."""
    current_execution_id: Any
    custom_status: Any
    name: Any
    version: Any
    parent: Any
    parent_exists: Any


_NO_ROW = Row._make([None] * len(Row._fields))


class Rows:
    """The rows of the executions whose history meets some conditions, read along with it, in its order.

    Histories and rows belong together as they come, and each instance ends with its current execution. Where that is
    not so, something has lost its like, and all that comes after is left in doubt.
    """

    def __init__(self, reader: Reader, within: Conditions) -> None:
        self._reader = reader
        self._within = within
        self._with_completed_at = reader.flavour.statuses_with_completed_at
        self._result, self._rows = streamed(reader, _rows(reader.flavour, within))
        self._instances = 0
        self._began_alone = False
        self._in_step = True
        self.last = _NO_ROW
        """The row that was looked at last."""

    def bear_out(self, instance_id: Any, execution_id: int, events: Sequence[Any] | None) -> bool:
        """Return whether the row of the next execution, and its instance's, surely are what its events make of them.

        The events are structs, the first and the last one at least, and none but the last one may end the execution;
        None says that they cannot be relied on.
        """
        if not self._in_step:
            return False
        before, row = self.last, Row._make(next(self._rows, _NO_ROW))
        self.last = row
        if row.instance_id != before.instance_id:
            self._instances += 1
            self._began_alone = False
            self._in_step = before.execution_id == before.current_execution_id
        if row.instance_id != instance_id or row.execution_id != execution_id:
            self._in_step = False
        if events is None or not self._in_step:
            return False
        if execution_id == 1:
            self._began_alone = events[0].parent_instance is None
        status = self._status(row, events[-1])
        if execution_id != row.current_execution_id:
            return status == CONTINUED_AS_NEW
        # What takes an instance on that has continued as new, no event tells.
        return status not in (None, CONTINUED_AS_NEW) and self._instance_agrees(row, events[0])

    def close(self) -> None:
        """Leave the rows that are still to come."""
        self._result.close()

    def out_of_step(self) -> Iterator[Any]:
        """Yield the ids of all instances, after the last history, where rows and histories have not come in step."""
        narrowed = _on(instances, self._within)
        ended = self.last.execution_id == self.last.current_execution_id and next(self._rows, None) is None
        if self._in_step and ended:
            count = select(func.count()).select_from(instances).where(*narrowed)
            if self._reader.connection.execute(count).scalar_one() == self._instances:
                return
        of = executions.c.instance_id
        every = union(
            select(instances.c.instance_id).where(*narrowed), select(of).where(*_on(executions, self._within))
        )
        yield from self._reader.connection.execute(every).scalars()

    def _status(self, row: Row, last: Any) -> str | None:
        """Return the status of an execution's row, None where the row is not what the last event makes of it."""
        kind = type(last).__name__
        if row.status != TERMINAL.get(kind, RUNNING):
            return None
        if not (row.well_timed if row.status in self._with_completed_at else row.is_untimed):
            return None
        if row.status == RUNNING:
            return RUNNING if row.output is None else None
        said = display_message(last.details) if row.status == FAILED else getattr(last, _OUTPUT[kind])
        return row.status if said is not None and said == row.output else None

    def _instance_agrees(self, row: Row, start: Any) -> bool:
        return (
            row.name == start.name
            and row.version == start.version
            and row.parent == start.parent_instance
            # Engines before 0.1.30 name the parent in the first execution alone.
            and (self._began_alone if row.parent is None else bool(row.parent_exists))
        )


def _on(table: Table, within: Conditions) -> Conditions:
    """Return the conditions on `history` as conditions on another table."""
    return on(table.c.instance_id, history.c.instance_id, within)


def _rows(flavour: Flavour, within: Conditions) -> Select[Any]:
    """Return the select of the columns of `Row`, in the order of the key of executions."""
    of, instance, parent = executions.c, instances.c, instances.alias("parent").c
    named = instance.parent_instance_id
    joined = and_(instance.instance_id == of.instance_id, *_on(instances, within))
    return (
        select(
            of.instance_id,
            of.execution_id,
            of.status,
            of.output,
            of.completed_at.is_(None),
            and_(of.completed_at.is_not(None), flavour.completed_at_well_formed(of.completed_at)),
            instance.current_execution_id,
            instance.custom_status,
            instance.orchestration_name,
            instance.orchestration_version,
            named,
            case((named.is_not(None), there_is(parent.instance_id == named)), else_=true()),
        )
        .select_from(executions.outerjoin(instances, joined))
        .where(*_on(executions, within))
        .order_by(of.instance_id, of.execution_id)
    )

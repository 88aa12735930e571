"""The rows of executions and of their instances, beside the events that they are copies of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Table, and_, case, func, select, true, union

from holystone.duroxide.engine_version import in_words
from holystone.duroxide.error_details import display_message
from holystone.duroxide.event_types import CONTINUED_AS_NEW, FAILED, RUNNING, TERMINAL
from holystone.duroxide.tables import VERSION_COLUMNS, executions, history, instances
from holystone.flavours import Flavour
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.long_texts import unless_long
from holystone.scan.prefilters.prefilter import streamed
from holystone.scan.pushdown import rebind
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions

NEEDS: Mapping[str, Collection[str]] = {
    "executions": VERSION_COLUMNS,
    "instances": ("parent_instance_id", "custom_status", "custom_status_version"),
}
"""The columns that the engine's first versions did not have yet."""

_OUTPUT = {"OrchestrationCompleted": "output", "OrchestrationContinuedAsNew": "input"}
"""Type of a terminal event -> the field that the engine copies into the row."""
_STILL_RUNNING = (RUNNING, None)
_UNPINNED = (None, None, None)


class ExecutionRows:
    """The rows of the executions whose history meets some conditions, read along with it, in its order.

    Histories and rows belong together as they come, and each instance ends with its current execution. Where that is
    not so, something has lost its like, and all that comes after is left in doubt.
    """

    def __init__(self, reader: Reader, within: Conditions) -> None:
        self._reader = reader
        self._within = within
        self._with_completed_at = reader.flavour.statuses_with_completed_at
        self._greatest_version = reader.flavour.times.greatest_version
        self._result, self._rows = streamed(reader, _rows(reader.flavour, within))
        self._instances = 0
        self._instance_id: Any = None
        self._began_alone = False
        self._in_step = True
        self.is_current = True
        """Whether the row that was looked at last is of its instance's current execution."""
        self._custom_status: tuple[str | None, bool | None] = (None, None)

    def matches(self, instance_id: Any, execution_id: int, events: Sequence[Any] | None) -> bool:
        """Return whether the row of the next execution, and its instance's, surely are what its events make of them.

        The events are structs, the first and the last one at least, and none but the last one may end the execution;
        None says that they cannot be relied on.
        """
        if not self._in_step:
            return False
        row = next(self._rows, None)
        if row is None:
            self._in_step = False
            return False
        (
            of,
            number,
            status,
            output,
            has_output,
            untimed,
            timed,
            *pinned,
            current,
            custom_status,
            has_custom_status,
            custom_status_version,
            name,
            version,
            parent,
            has_parent,
        ) = row
        self._custom_status = custom_status, has_custom_status
        if of != self._instance_id:
            self._in_step = self.is_current
            self._instance_id = of
            self._instances += 1
            self._began_alone = False
        self.is_current = number == current
        if of != instance_id or number != execution_id:
            self._in_step = False
        if events is None or not self._in_step:
            return False
        start = events[0]
        if number == 1:
            self._began_alone = start.parent_instance is None
        if has_output and output is None:  # it is long
            output = self._reader.output(instance_id, execution_id)
        if (status, output) != _made_by(events[-1]):
            return False
        if not (timed if status in self._with_completed_at else untimed):
            return False
        if not self.is_current:
            return bool(status == CONTINUED_AS_NEW)
        # What takes an instance on that has continued as new, no event tells.
        return (
            status != CONTINUED_AS_NEW
            and name == start.name
            and version == start.version
            and parent == start.parent_instance
            # Engines before 0.1.30 name the parent in the first execution alone.
            and (self._began_alone if parent is None else bool(has_parent))
            and (status != RUNNING or _is_version(pinned, start.duroxide_version))
            and type(custom_status_version) is int
            and bool(has_custom_status) <= custom_status_version < self._greatest_version
        )

    @property
    def custom_status(self) -> str | None:
        """The custom status in the row of the instance whose execution was looked at last."""
        short, is_there = self._custom_status
        if short is not None or not is_there:
            return short
        row = select(instances.c.custom_status).where(instances.c.instance_id == self._instance_id)
        whole: str | None = self._reader.long_text(row)
        return whole

    def close(self) -> None:
        """Leave the rows that are still to come."""
        self._result.close()

    def unmatched_instances(self) -> Iterator[Any]:
        """Yield the ids of all instances, after the last history, where rows and histories have not come in step."""
        narrowed = _on(instances, self._within)
        if self._in_step and self.is_current and next(self._rows, None) is None:
            count = select(func.count()).select_from(instances).where(*narrowed)
            if self._reader.connection.execute(count).scalar_one() == self._instances:
                return
        instance_id = executions.c.instance_id
        every = union(
            select(instances.c.instance_id).where(*narrowed), select(instance_id).where(*_on(executions, self._within))
        )
        yield from self._reader.connection.execute(every).scalars()


def _made_by(last: Any) -> tuple[str, str | None] | None:
    """Return the status and the output that a row has after an execution's last event, None where that is not sure."""
    kind = type(last).__name__
    status = TERMINAL.get(kind)
    if status is None:
        return _STILL_RUNNING
    said = display_message(last.details) if status == FAILED else getattr(last, _OUTPUT[kind])
    return None if said is None else (status, said)


def _is_version(pinned: Sequence[Any], begun_by: str) -> bool:
    """Return whether an execution is pinned to no version, or to the one that began it."""
    numbers = tuple(pinned)
    return numbers == _UNPINNED or (all(type(one) is int for one in numbers) and in_words(numbers) == begun_by)


def _on(table: Table, within: Conditions) -> Conditions:
    """Return the conditions on `history` as conditions on another table."""
    return rebind(table.c.instance_id, history.c.instance_id, within)


def _rows(flavour: Flavour, within: Conditions) -> Select[Any]:
    """Return the select of executions with their instances, in the order of their key: what `matches` unpacks."""
    execution, instance, parent = executions.c, instances.c, instances.alias("parent").c
    named = instance.parent_instance_id
    joined = and_(instance.instance_id == execution.instance_id, *_on(instances, within))
    return (
        select(
            execution.instance_id,
            execution.execution_id,
            execution.status,
            unless_long(flavour, execution.output).label("output"),
            execution.output.is_not(None).label("has_output"),
            execution.completed_at.is_(None),
            and_(execution.completed_at.is_not(None), flavour.completed_at_well_formed(execution.completed_at)),
            *(execution[name] for name in VERSION_COLUMNS),
            instance.current_execution_id,
            unless_long(flavour, instance.custom_status).label("custom_status"),
            instance.custom_status.is_not(None).label("has_custom_status"),
            instance.custom_status_version,
            instance.orchestration_name,
            instance.orchestration_version,
            named,
            case((named.is_not(None), exists_lookup(parent.instance_id == named)), else_=true()),
        )
        .select_from(executions.outerjoin(instances, joined))
        .where(*_on(executions, within))
        .order_by(execution.instance_id, execution.execution_id)
    )

"""The rows of executions and of their instances, beside the events that they are copies of."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    not_,
    or_,
    select,
    true,
    type_coerce,
)

from holystone.duroxide.error_details import display_message
from holystone.duroxide.event_types import CONTINUED_AS_NEW, FAILED, RUNNING, TERMINAL
from holystone.duroxide.tables import VERSION_COLUMNS, executions, history, instances
from holystone.flavours import Flavour
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.long_texts import unless_long
from holystone.scan.pushdown import rebind
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    Columns = ReadOnlyColumnCollection[str, Any]

NEEDS: Mapping[str, Collection[str]] = {
    "executions": VERSION_COLUMNS,
    "instances": ("parent_instance_id", "custom_status", "custom_status_version"),
}
"""The columns that the engine's first versions did not have yet."""

_OUTPUT = {"OrchestrationCompleted": "output", "OrchestrationContinuedAsNew": "input"}
"""Type of a terminal event -> the field that the engine copies into the row."""
_STILL_RUNNING = (RUNNING, None)


class ExecutionRows:
    """The rows of executions as they come, in the order of their key, beside the events that they are copies of.

    Each instance has to end with its current execution; the ids of those that do not are in `doubtful`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._instance_id: Any = None
        self._began_alone = False
        self._ends_as_current = True
        self._instances = 0
        self.doubtful: list[Any] = []

    def matches(self, row: Sequence[Any], events: Sequence[Any] | None) -> bool:
        """Return whether the row of the next execution, and its instance's, surely are what its events make of them.

        The row is one of `execution_columns`. The events are structs, the first and the last one at least, and none but
        the last one may end the execution; None says that they cannot be relied on.
        """
        instance_id, execution_id, status, output, is_sound, is_current, name, version, parent, pinned_to = row
        if instance_id != self._instance_id:
            self._end_instance()
            self._instance_id = instance_id
            self._began_alone = False
        self._ends_as_current = bool(is_current)
        if events is None or not is_sound:
            return False
        start = events[0]
        if execution_id == 1:
            self._began_alone = start.parent_instance is None
        made = _made_by(events[-1])
        if made is None or made[0] != status:
            return False
        said = made[1]
        if output is None and said is not None:  # it is long, or is not there
            output = self._reader.output(instance_id, execution_id)
        if output != said:
            return False
        if not is_current:
            return bool(status == CONTINUED_AS_NEW)
        # What takes an instance on that has continued as new, no event tells.
        return (
            status != CONTINUED_AS_NEW
            and name == start.name
            and version == start.version
            and parent == start.parent_instance
            # Engines before 0.1.30 name the parent in the first execution alone.
            and (parent is not None or self._began_alone)
            and (status != RUNNING or pinned_to is None or pinned_to == start.duroxide_version)
        )

    def custom_status(self, short: str | None, is_there: bool) -> str | None:
        """Return the custom status of the instance whose execution was looked at last."""
        if short is not None or not is_there:
            return short
        row = select(instances.c.custom_status).where(instances.c.instance_id == self._instance_id)
        whole: str | None = self._reader.long_text(row)
        return whole

    def end(self, within: Conditions) -> Sequence[Any]:
        """Return the ids of instances in doubt, after the last execution of those that meet the conditions."""
        self._end_instance()
        self._ends_as_current = True
        of_instances = on_table(instances, within)
        count = select(func.count()).select_from(instances).where(*of_instances)
        if self._reader.connection.execute(count).scalar_one() == self._instances:
            return self.doubtful
        has_executions = exists_lookup(executions.c.instance_id == instances.c.instance_id)
        empty = select(instances.c.instance_id).where(*of_instances, not_(has_executions))
        return [*self.doubtful, *self._reader.connection.execute(empty).scalars()]

    def _end_instance(self) -> None:
        if not self._ends_as_current:
            self.doubtful.append(self._instance_id)
        elif self._instance_id is not None:
            self._instances += 1


def _made_by(last: Any) -> tuple[str, str | None] | None:
    """Return the status and the output that a row has after an execution's last event, None where that is not sure."""
    kind = type(last).__name__
    status = TERMINAL.get(kind)
    if status is None:
        return _STILL_RUNNING
    said = display_message(last.details) if status == FAILED else getattr(last, _OUTPUT[kind])
    return None if said is None else (status, said)


def execution_columns(flavour: Flavour, *sound: ColumnElement[bool]) -> Sequence[ColumnElement[Any]]:
    """Return what `ExecutionRows.matches` unpacks, of executions beside their instances; only what is `sound` is sound.

    A column costs more to fetch than to compare with another one where it lies, so what no event tells is judged here.
    """
    execution, instance = executions.c, instances.c
    is_current = instance.current_execution_id == execution.execution_id
    of_current = and_(has_parent(instance), counts(flavour, instance))
    is_sound = and_(*sound, has_time(flavour, execution), _is_pinned(flavour), or_(not_(is_current), of_current))
    return [
        execution.instance_id,
        execution.execution_id,
        execution.status,
        unless_long(flavour, execution.output).label("output"),
        type_coerce(is_sound, Integer).label("is_sound"),
        type_coerce(is_current, Integer).label("is_current"),
        instance.orchestration_name,
        instance.orchestration_version,
        instance.parent_instance_id,
        _pinned_to().label("pinned_to"),
    ]


def has_time(flavour: Flavour, execution: "Columns") -> ColumnElement[bool]:
    """Return whether an execution has the time of its end if, and only if, its status says that it has ended."""
    is_timed = and_(execution.completed_at.is_not(None), flavour.completed_at_well_formed(execution.completed_at))
    has_ended = execution.status.in_(sorted(flavour.statuses_with_completed_at))
    return case((has_ended, is_timed), else_=execution.completed_at.is_(None))


def has_parent(instance: "Columns") -> ColumnElement[bool]:
    """Return whether the parent that an instance names is there; so for one that names none."""
    parent, named = instances.alias("parent").c, instance.parent_instance_id
    return case((named.is_not(None), exists_lookup(parent.instance_id == named)), else_=true())


def counts(flavour: Flavour, instance: "Columns") -> ColumnElement[bool]:
    """Return whether the version of an instance's custom status is one that the engine can add to, and shows it."""
    version, least = instance.custom_status_version, case((instance.custom_status.is_not(None), 1), else_=0)
    return and_(flavour.is_integer(version), version >= least, version < flavour.times.greatest_version)


def _is_pinned(flavour: Flavour) -> ColumnElement[bool]:
    """Return whether an execution is one that no event tells the version of, or is pinned to a version or to none."""
    numbers = [executions.c[name] for name in VERSION_COLUMNS]
    return or_(
        executions.c.status != RUNNING,
        and_(*(number.is_(None) for number in numbers)),
        and_(*(and_(number.is_not(None), flavour.is_integer(number)) for number in numbers)),
    )


def _pinned_to() -> ColumnElement[str]:
    """Return the version that a running execution is pinned to, NULL where it is pinned to none."""
    first, second, third = (cast(executions.c[name], Text) for name in VERSION_COLUMNS)
    version = first.concat(".").concat(second).concat(".").concat(third)
    return case((executions.c.status == RUNNING, version))


def with_instances(rows: FromClause, within: Conditions) -> FromClause:
    """Return the executions, with what else is in their rows, beside their instances."""
    is_of = and_(instances.c.instance_id == executions.c.instance_id, *on_table(instances, within))
    return rows.outerjoin(instances, is_of)


def on_table(table: Table, within: Conditions) -> Conditions:
    """Return the conditions on `history` as conditions on another table."""
    return rebind(table.c.instance_id, history.c.instance_id, within)

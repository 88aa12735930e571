"""The rows of executions and of their instances, beside the events that they are copies of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, case, select, true

from holystone.scan.narrow import on
from holystone.scan.presence import there_is
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions
from holystone.store.events import CONTINUED_AS_NEW, FAILED, RUNNING, TERMINAL, display_message
from holystone.store.flavours import Flavour
from holystone.store.tables import executions, history, instances

NEEDS: Mapping[str, Collection[str]] = {"instances": ("parent_instance_id", "custom_status")}
"""The columns that the engine's first versions did not have yet."""

_OUTPUT = {"OrchestrationCompleted": "output", "OrchestrationContinuedAsNew": "input"}
"""Type of a terminal event -> the field that the engine copies into the row."""


class Rows:
    """The rows of the executions whose history meets some conditions, read along with it, in its order.

    A history, a row of executions and a row of instances belong together as they come, and each instance ends with its
    current execution. Where that is not so, something has lost its like: all that comes after is left in doubt.
    """

    def __init__(self, reader: Reader, within: Conditions) -> None:
        self._with_completed_at = reader.flavour.statuses_with_completed_at
        self._executions = _read(reader, _executions(reader.flavour, within))
        self._instances = _read(reader, _instances(within))
        self._instance: Any = (None, None)
        self._began_alone = False
        self._is_whole = True
        self._in_step = True
        self._astray: list[Any] = []

    @property
    def current_execution_id(self) -> Any:
        """Of the instance whose execution was borne out last, as are the others."""
        return self._instance[1]

    @property
    def custom_status(self) -> Any:
        return self._instance[2]

    def bear_out(self, instance_id: Any, execution_id: int, events: Sequence[Any] | None) -> bool:
        """Return whether the rows of the next execution surely are what its events make of them.

        The events are structs, the first and the last one at least, and none but the last one may end the execution;
        None says that they cannot be relied on.
        """
        if not self._in_step:
            return False
        execution = next(self._executions, (None, None))
        if self._instance[0] != instance_id:
            before, was_whole = self._instance[0], self._is_whole
            self._instance, self._began_alone = next(self._instances, (None, None)), False
            if not was_whole:
                self._lose_step(before, execution[0], self._instance[0])
        if not execution[0] == self._instance[0] == instance_id or execution[1] != execution_id:
            self._lose_step(execution[0], self._instance[0])
        self._is_whole = execution_id == self.current_execution_id
        if events is None or not self._in_step:
            return False
        if execution_id == 1:
            self._began_alone = events[0].parent_instance is None
        status = self._status(execution, events[-1])
        if not self._is_whole:
            return status == CONTINUED_AS_NEW
        # What takes an instance on that has continued as new, no event tells.
        return status not in (None, CONTINUED_AS_NEW) and self._instance_agrees(events[0])

    def left_over(self) -> Iterator[Any]:
        """Yield the instance ids of the rows that may have no history, after the last one: there should be none."""
        if not self._is_whole:
            yield self._instance[0]
        yield from filter(None, self._astray)
        for rows in (self._executions, self._instances):
            for row in rows:
                yield row[0]

    def _lose_step(self, *instance_ids: Any) -> None:
        self._in_step = False
        self._astray.extend(instance_ids)

    def _status(self, execution: Any, last: Any) -> str | None:
        """Return the status of an execution's row, None where the row is not what the last event makes of it."""
        _, _, status, output, completed_at, well_formed = execution
        kind = type(last).__name__
        if status != TERMINAL.get(kind, RUNNING):
            return None
        if status in self._with_completed_at:
            if completed_at is None or not well_formed:
                return None
        elif completed_at is not None:
            return None
        if status == RUNNING:
            return RUNNING if output is None else None
        said = display_message(last.details) if status == FAILED else getattr(last, _OUTPUT[kind])
        return status if said is not None and said == output else None

    def _instance_agrees(self, start: Any) -> bool:
        _, _, _, name, version, parent, parent_exists = self._instance
        return (
            name == start.name
            and version == start.version
            and parent == start.parent_instance
            # Engines before 0.1.30 name the parent in the first execution alone.
            and (self._began_alone if parent is None else bool(parent_exists))
        )


def _read(reader: Reader, statement: Select[Any]) -> Iterator[Any]:
    return iter(reader.connection.execute(statement.execution_options(yield_per=500)))


def _executions(flavour: Flavour, within: Conditions) -> Select[Any]:
    of = executions.c
    columns = [of.instance_id, of.execution_id, of.status, of.output, of.completed_at]
    well_formed = flavour.completed_at_well_formed(of.completed_at)
    narrowed = on(of.instance_id, history.c.instance_id, within)
    return select(*columns, well_formed).where(*narrowed).order_by(of.instance_id, of.execution_id)


def _instances(within: Conditions) -> Select[Any]:
    of, parent = instances.c, instances.alias("parent").c
    copies = [of.orchestration_name, of.orchestration_version, of.parent_instance_id]
    parent_exists = case(
        (of.parent_instance_id.is_not(None), there_is(parent.instance_id == of.parent_instance_id)), else_=true()
    )
    narrowed = on(of.instance_id, history.c.instance_id, within)
    return (
        select(of.instance_id, of.current_execution_id, of.custom_status, *copies, parent_exists)
        .where(*narrowed)
        .order_by(of.instance_id)
    )

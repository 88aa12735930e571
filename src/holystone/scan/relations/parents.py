"""Who the parent of an instance is, by its own events, and whether that parent is still there."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from holystone.duroxide.event import parse_event
from holystone.duroxide.event_types import START
from holystone.duroxide.tables import history, instances
from holystone.scan.reader import Reader


class Parent(Struct, frozen=True):
    """`to_name` is what a row of instances should name: None for no parent, or one of which nothing is left.

    Where `decided` is False, events do not tell, or the parent is half there. `named` is what events name.
    """

    decided: bool
    to_name: str | None = None
    named: str | None = None

    @property
    def deleted(self) -> bool:
        """Whether nothing is left of the parent that events name."""
        return self.decided and self.named != self.to_name


def parent_of(reader: Reader, instance_id: str, execution_id: int, start: Mapping[str, Any]) -> Parent:
    """Return the parent of an instance, whose current execution began with `start`."""
    told, named = _named_by(start)
    if named is None and execution_id > 1:
        told, named = _named_by(_first_start(reader, instance_id))
    if not told or named is None:
        return Parent(told)
    if _is_there(reader, instances.c.instance_id, named):
        return Parent(True, named, named)
    if _is_there(reader, history.c.instance_id, named):
        return Parent(False)
    return Parent(True, None, named)


def _named_by(start: Mapping[str, Any] | None) -> tuple[bool, str | None]:
    """Return whether a start event tells of a parent or of none, and the parent."""
    if start is None or start["type"] != START:
        return False, None
    return True, start.get("parent_instance")


def _first_start(reader: Reader, instance_id: str) -> Mapping[str, Any] | None:
    """Return the event with which the instance began, None where it is gone or cannot be read.

    Engines before 0.1.30 name the parent there alone, and no more when a child has continued as new.
    """
    first = select(history.c.event_data).where(
        history.c.instance_id == instance_id, history.c.execution_id == 1, history.c.event_id == 1
    )
    return parse_event(reader.connection.execute(first).scalar_one_or_none())


def _is_there(reader: Reader, column: Any, value: str) -> bool:
    return reader.connection.execute(select(column).where(column == value).limit(1)).first() is not None

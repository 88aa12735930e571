"""What a flavour has to answer for in SQL: expressions over events, times and keys."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, bindparam, func, literal
from sqlalchemy.sql.functions import FunctionElement

from holystone.duroxide.event_types import EVENT_TYPES, TERMINAL
from holystone.flavours.messages import Messages
from holystone.flavours.times import Times
from holystone.flavours.values import Values


class WithLastEvent(Struct, frozen=True):
    """Executions beside their last events: what to select from, and the columns of both.

    The columns of `last` are NULL for an execution without history.
    """

    rows: FromClause
    execution: FromClause
    last: FromClause
    instance: FromClause | None = None


class WithOuterEvents(Struct, frozen=True):
    """Executions beside their last and their first events, of which these have the number 1, and their instances."""

    rows: FromClause
    execution: FromClause
    last: FromClause
    first: FromClause
    instance: FromClause


class Expressions(Values):
    """SQLAlchemy Core expressions, which mean the same on both flavours."""

    messages: ClassVar[Messages]
    """What can be told about the text of a message."""

    times: ClassVar[Times]
    """What can be told about times, locks and counts."""

    asks_once: ClassVar[bool] = False
    """Whether an answer that a subquery gives is named elsewhere without being asked for anew, or in vain."""

    finds_instances_of_executions: ClassVar[bool] = False
    """Whether `with_last_event` has the instances, where it takes less than to join them afterwards."""

    @abstractmethod
    def with_last_event(self, within: Sequence[ColumnElement[bool]], *, with_instance: bool = False) -> WithLastEvent:
        """Return the executions, each with the last event of its history, in the quickest way that there is.

        `within` restricts them by conditions on the columns of `tables.executions`. `with_instance` has the instances
        beside them, where the flavour finds those.
        """

    @abstractmethod
    def with_outer_events(self, within: Sequence[ColumnElement[bool]]) -> WithOuterEvents | None:
        """Return the same with the first events, and the instances.

        None where it is quicker to group all events than to look these up one by one.
        """

    @abstractmethod
    def event_says_type(self, event_data: ColumnElement[str], kind: str | ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the event, as the engine writes it, has this type: quick, and never wrongly yes.

        It may say no to an event that others wrote with spaces or in another order; `event_type` tells then.
        """

    @abstractmethod
    def type_begins(self, events: Table, prefix: str) -> ColumnElement[bool]:
        """Return whether the type of a row of history, as the engine writes it, begins so: quick, for scans of all.

        It goes by the column event_type where the engine keeps the type there, so where that is wrong it is too.
        """

    def type_at_a_glance(self, events: FromClause) -> ColumnElement[str]:
        """Return the type of an event that is very long, read in the way that takes the least memory.

        That may be a copy of the type, of which another check tells where it is wrong.
        """
        return self.event_type(events.c.event_data)

    @abstractmethod
    def to_be_grouped(self, rows: Select[Any], order: Sequence[ColumnElement[Any]]) -> FromClause:
        """Return rows to aggregate with `string_agg`: they come in this order, which begins with their group.

        That is how both databases do it, and never surely so. Of one group all columns come in the same order.
        """

    def sort_key(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what the few rows that are found are sorted by, which is no reason to look for them in that order."""
        return column

    @abstractmethod
    def string_agg(self, column: ColumnElement[Any]) -> FunctionElement[str]:
        """Return the values of a group of rows as text, one in each line, in the order in which they come."""

    def in_utf8(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Return a text to read as bytes in UTF-8, where the database has it so; otherwise as it is."""
        return text

    @abstractmethod
    def length(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        """Return the length of a text in bytes."""

    @abstractmethod
    def is_text(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the column holds text, in which a flavour may keep something else."""

    @abstractmethod
    def is_integer(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether the column holds a whole number, in which a flavour may keep something else."""

    @abstractmethod
    def event_type(self, event_data: ColumnElement[str]) -> ColumnElement[str]:
        """Return the expression for the type inside `event_data`; NULL where none can be read.

        history.event_type is a copy, and on PostgreSQL the literal word `Event`: it decides nothing.
        """

    def is_terminal(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the event ends its execution."""
        return self.event_type(event_data).in_(sorted(TERMINAL))

    def is_known_type(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the event's type is one that this version knows; NULL where it has none."""
        return self.event_type(event_data).in_(sorted(EVENT_TYPES))

    def event_says(self, event_data: ColumnElement[str], name: str, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether `name`, which is a field as the engine writes it, such as `"output":`, is followed by a text.

        NULL for NULL. It may say no where the answer is yes, never the reverse: the texts are compared as JSON, quotes
        and escapes included. So it finds suspects only, and a finding rests on what `event.parse_event` reads.
        """
        # A field that the engine does not know, and passes over, may hold another of that name.
        without = func.length(func.replace(event_data, name, ""))
        is_only_one = func.length(event_data) - without == len(name)
        return and_(self.messages.contains(event_data, literal(name).concat(self.messages.quoted(value))), is_only_one)

    @abstractmethod
    def event_number(self, event_data: ColumnElement[str], name: str) -> ColumnElement[int]:
        """Return the number in a field of the event, NULL where none can be read."""

    @abstractmethod
    def place_in(self, text: ColumnElement[str], part: ColumnElement[str]) -> ColumnElement[int]:
        """Return where `part` begins in a text, from 1 on; 0 where it is not there."""

    @abstractmethod
    def event_readable(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether this version can read the event: JSON, with a type that it knows."""

    @abstractmethod
    def completed_at_well_formed(self, completed_at: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return whether a completed_at that is there has the form that the engine writes."""

    @abstractmethod
    def is_waiting(self, queue: Table, now_ms: int) -> ColumnElement[bool]:
        """Return whether the engine counts a message of this queue as one that waits."""

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """Return the flavour's own INSERT, which has on_conflict_do_nothing and on_conflict_do_update."""

    @abstractmethod
    def older_than(self, moment: ColumnElement[Any], seconds: int) -> ColumnElement[bool]:
        """Return whether a creation column such as started_at lies more than `seconds` in the past."""

    @abstractmethod
    def matches_glob(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Return whether `text` matches a pattern in which * and ? are wild and all else is itself."""

    def key_range(self, column: ColumnElement[Any], after: Any, up_to: Any) -> list[ColumnElement[bool]]:
        """Return the conditions that a key lies after one value and up to another; None is no bound."""
        conditions = []
        if after is not None:
            conditions.append(column > literal(after, column.type))
        if up_to is not None:
            conditions.append(column <= literal(up_to, column.type))
        return conditions

    def among(self, column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a key is one of some, of which there may be thousands."""
        return column.in_(values)

    def among_given(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        """Return the same condition for keys that are given to a statement as the value of a parameter."""
        return column.in_(bindparam(parameter, expanding=True))

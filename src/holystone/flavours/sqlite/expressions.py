"""Expressions of SQLite, whose columns may hold anything."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Label,
    LargeBinary,
    Select,
    Subquery,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import NamedFromClause

from holystone.duroxide.tables import executions, history, instances
from holystone.flavours.expressions import Expressions, WithLastEvent, WithOuterEvents
from holystone.flavours.sqlite.messages import SQLiteMessages
from holystone.flavours.sqlite.times import SQLiteTimes
from holystone.flavours.sqlite.values import SQLiteValues

# Milliseconds between 1973 and 5138: a count of seconds or of microseconds falls outside.
_EARLIEST_MS, _LATEST_MS = 10**11, 10**14


class SQLiteExpressions(SQLiteValues, Expressions):
    messages = SQLiteMessages()
    times = SQLiteTimes()
    finds_instances_of_executions = True

    def with_last_event(self, within: Sequence[ColumnElement[bool]], *, with_instance: bool = False) -> WithLastEvent:
        execution, last, instance = executions.alias("execution"), history.alias("last_event"), _instance()
        if not with_instance:
            return WithLastEvent(_joined(_found(within), execution, last), execution, last)
        found = _found(within, _row_of_instance())
        rows = _joined(found, execution, last).outerjoin(instance, _rowid(instance) == found.c.instance_row)
        return WithLastEvent(rows, execution, last, instance)

    def with_outer_events(self, within: Sequence[ColumnElement[bool]]) -> WithOuterEvents:
        execution, last, instance = executions.alias("execution"), history.alias("last_event"), _instance()
        # What is of one turn lies together: the first event on the page of the last one, or not far before it.
        first, event = history.alias("first_event"), history.alias("event")
        row_of_first = select(_rowid(event)).where(*_of_execution(event), event.c.event_id == 1).label("first_row")
        found = _found(within, row_of_first, _row_of_instance())
        rows = (
            _joined(found, execution, last)
            .outerjoin(first, _rowid(first) == found.c.first_row)
            .outerjoin(instance, _rowid(instance) == found.c.instance_row)
        )
        return WithOuterEvents(rows, execution, last, first, instance)

    def event_says_type(self, event_data: ColumnElement[str], kind: str | ColumnElement[str]) -> ColumnElement[bool]:
        # Quicker than instr, which goes byte by byte, and past texts that hold the one byte which GLOB looks for.
        says = f'*,"type":"{kind}"*' if isinstance(kind, str) else literal('*,"type":"').concat(kind).concat('"*')
        return event_data.op("GLOB", is_comparison=True)(says)

    def type_begins(self, events: Table, prefix: str) -> ColumnElement[bool]:
        return events.c.event_type.op("GLOB", is_comparison=True)(f"{prefix}*")

    def type_at_a_glance(self, events: FromClause) -> ColumnElement[str]:
        kind: ColumnElement[str] = events.c.event_type
        return kind

    def to_be_grouped(self, rows: Select[Any], order: Sequence[ColumnElement[Any]]) -> FromClause:
        # It goes by the index of the key to group them, which has them in order.
        return rows.subquery("grouped")

    def sort_key(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        # With the sign it is no column of an index, by which each row would have to be looked up.
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def string_agg(self, column: ColumnElement[Any]) -> FunctionElement[str]:
        return func.group_concat(column, "\n")

    def in_utf8(self, text: ColumnElement[str]) -> ColumnElement[bytes]:
        return cast(text, LargeBinary)

    def length(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        # In bytes, for characters have to be counted.
        return func.length(cast(column, LargeBinary))

    def is_text(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return func.typeof(column) == "text"

    def is_integer(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        return func.typeof(column) == "integer"

    def event_type(self, event_data: ColumnElement[str]) -> ColumnElement[str]:
        # json_extract alone would raise where it is no JSON.
        return case((func.json_valid(event_data) == 1, func.json_extract(event_data, "$.type")))

    def is_terminal(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        # JSON is for few events: those that name such a type, or may do so by an escape.
        may_name = [event_data.op("GLOB", is_comparison=True)(pattern) for pattern in ("*Orchestration*", "*\\u*")]
        return case((or_(*may_name), super().is_terminal(event_data)), else_=False)

    def event_number(self, event_data: ColumnElement[str], name: str) -> ColumnElement[int]:
        return case((func.json_valid(event_data) == 1, func.json_extract(event_data, f"$.{name}")))

    def place_in(self, text: ColumnElement[str], part: ColumnElement[str]) -> ColumnElement[int]:
        return func.instr(text, part)

    def event_readable(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        return func.coalesce(self.is_known_type(event_data), False)

    def completed_at_well_formed(self, completed_at: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(func.typeof(completed_at) == "integer", completed_at.between(_EARLIEST_MS, _LATEST_MS))

    def is_waiting(self, queue: Table, now_ms: int) -> ColumnElement[bool]:
        waiting: ColumnElement[bool] = queue.c.lock_token.is_(None)
        return waiting

    def insert(self, table: Table) -> Any:
        return insert(table)

    def older_than(self, moment: ColumnElement[Any], seconds: int) -> ColumnElement[bool]:
        return moment < func.datetime("now", f"-{seconds} seconds")

    def matches_glob(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        return text.op("GLOB", is_comparison=True)(literal(pattern.replace("[", "[[]")))


def _found(within: Sequence[ColumnElement[bool]], *also: Label[Any]) -> Subquery:
    """Return the rowids of executions and of their last events, in the order in which these lie in the file.

    Three steps. The events are found through the index of the primary key alone; then they are read in the order in
    which they lie, which takes half the time of reading them as they come; and their executions are fetched once more
    by rowid, so that the sorter carries no outputs.
    """
    event = history.alias("event")
    last = select(_rowid(event)).where(*_of_execution(event)).order_by(event.c.event_id.desc()).limit(1)
    return (
        select(_rowid(executions).label("execution_row"), last.label("event_row"), *also)
        .select_from(executions)
        .where(*within)
        .order_by("event_row")
        .offset(0)  # changes no row, and keeps the sorting from being optimised away
        .subquery("found")
    )


def _joined(found: Subquery, execution: NamedFromClause, last: NamedFromClause) -> FromClause:
    # Every row finds its execution: only that SQLite keeps no copy of all of `found` when joined from the outside.
    return found.outerjoin(execution, _rowid(execution) == found.c.execution_row).outerjoin(
        last, _rowid(last) == found.c.event_row
    )


def _instance() -> NamedFromClause:
    return instances.alias("instance")


def _row_of_instance() -> Label[Any]:
    """Return the rowid of an execution's instance, which lies where the execution does."""
    of = instances.alias("of")
    return select(_rowid(of)).where(of.c.instance_id == executions.c.instance_id).label("instance_row")


def _rowid(table: NamedFromClause) -> ColumnElement[int]:
    return literal_column(f"{table.name}.rowid")


def _of_execution(event: FromClause) -> Sequence[ColumnElement[bool]]:
    return event.c.instance_id == executions.c.instance_id, event.c.execution_id == executions.c.execution_id

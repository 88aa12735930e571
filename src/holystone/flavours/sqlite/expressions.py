"""Expressions of SQLite, whose columns may hold anything."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    LargeBinary,
    ScalarSelect,
    Select,
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

from holystone.duroxide.tables import executions, history
from holystone.flavours.expressions import Expressions, WithLastEvent
from holystone.flavours.sqlite.messages import SQLiteMessages
from holystone.flavours.sqlite.times import SQLiteTimes
from holystone.flavours.sqlite.values import SQLiteValues

# Milliseconds between 1973 and 5138: a count of seconds or of microseconds falls outside.
_EARLIEST_MS, _LATEST_MS = 10**11, 10**14


class SQLiteExpressions(SQLiteValues, Expressions):
    messages = SQLiteMessages()
    times = SQLiteTimes()

    def with_last_event(self, within: Sequence[ColumnElement[bool]]) -> WithLastEvent:
        # Three steps. The last events are found through the index of the primary key alone; then they are read
        # in the order in which they lie in the file, which takes half the time of reading them as they come;
        # and their executions are fetched once more by rowid, so that the sorter carries no outputs.
        found = (
            select(literal_column("executions.rowid").label("execution_row"), _last_event().label("event_row"))
            .select_from(executions)
            .where(*within)
            .order_by("event_row")
            .offset(0)  # changes no row, and keeps the sorting from being optimised away
            .subquery("found")
        )
        execution, last = executions.alias("execution"), history.alias("last_event")
        # Every row finds its execution: only that SQLite keeps no copy of all of `found` when joined from the outside.
        rows = found.outerjoin(execution, literal_column("execution.rowid") == found.c.execution_row).outerjoin(
            last, literal_column("last_event.rowid") == found.c.event_row
        )
        return WithLastEvent(rows, execution, last)

    def beside_last_event(self) -> tuple[FromClause, FromClause]:
        last = history.alias("last_event")
        return executions.outerjoin(last, literal_column("last_event.rowid") == _last_event()), last

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
        return _json_at(event_data, "$.type")

    def is_terminal(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        # JSON is for few events: those that name such a type, or may do so by an escape.
        may_name = [event_data.op("GLOB", is_comparison=True)(pattern) for pattern in ("*Orchestration*", "*\\u*")]
        return case((or_(*may_name), super().is_terminal(event_data)), else_=False)

    def event_says(self, event_data: ColumnElement[str], path: str, value: ColumnElement[str]) -> ColumnElement[bool]:
        return _json_at(event_data, path) == value

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


def _last_event() -> ScalarSelect[Any]:
    """Return the rowid of the last event of an execution."""
    event = history.alias("event")
    return (
        select(literal_column("event.rowid"))
        .where(event.c.instance_id == executions.c.instance_id, event.c.execution_id == executions.c.execution_id)
        .order_by(event.c.event_id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _json_at(event_data: ColumnElement[str], path: str) -> ColumnElement[str]:
    """Return the value at `path`, NULL where `event_data` is no JSON: json_extract alone would raise."""
    return case((func.json_valid(event_data) == 1, func.json_extract(event_data, path)))

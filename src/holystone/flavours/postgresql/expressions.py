"""Expressions of PostgreSQL, which fails at a cast of one row that is no JSON."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql.functions import FunctionElement

from holystone.duroxide.tables import REQUIRED_COLUMNS, executions, history
from holystone.flavours.expressions import Expressions, WithLastEvent
from holystone.flavours.postgresql.messages import PostgreSQLMessages
from holystone.flavours.postgresql.times import PostgreSQLTimes
from holystone.flavours.postgresql.values import PostgreSQLValues

_TYPE_PATTERN = r'"type"\s*:\s*"(\w+)"'
_DIGITS = 18
"""Digits of a number that surely fits a BIGINT."""
_OBJECT_PATTERN = r"^\s*\{.*\}\s*$"


class PostgreSQLExpressions(PostgreSQLValues, Expressions):
    messages = PostgreSQLMessages()
    times = PostgreSQLTimes()
    asks_once = True

    def with_last_event(self, within: Sequence[ColumnElement[bool]], *, with_instance: bool = False) -> WithLastEvent:
        # A store that is not whole yet, or of an older engine, has no other columns.
        columns = (column for column in executions.c if column.name in REQUIRED_COLUMNS[executions.name])
        execution = select(*columns).where(*within).subquery("execution")
        last = _last_event(execution)
        return WithLastEvent(execution.outerjoin(last, true()), execution, last)

    def with_outer_events(self, within: Sequence[ColumnElement[bool]]) -> None:
        """Return None: a step down an index costs as much as to go on along it by ten events, which most have."""

    def event_says_type(self, event_data: ColumnElement[str], kind: str | ColumnElement[str]) -> ColumnElement[bool]:
        says = f'"type":"{kind}"' if isinstance(kind, str) else literal('"type":"').concat(kind).concat('"')
        return func.strpos(event_data, says) > 0

    def type_begins(self, events: Table, prefix: str) -> ColumnElement[bool]:
        return func.strpos(events.c.event_data, f'"type":"{prefix}') > 0

    def to_be_grouped(self, rows: Select[Any], order: Sequence[ColumnElement[Any]]) -> FromClause:
        # Before version 16 each aggregate with an order of its own sorts each group.
        return rows.order_by(*order).subquery("ordered")

    def string_agg(self, column: ColumnElement[Any]) -> FunctionElement[str]:
        return func.string_agg(cast(column, Text), "\n")

    def length(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        return func.octet_length(column)  # which is told of a value without reading it

    def is_text(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return true()

    def is_integer(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        return true()

    def event_type(self, event_data: ColumnElement[str]) -> ColumnElement[str]:
        # event_data is TEXT, and a cast of one row that is not JSON ends the whole statement. In JSON that
        # the engine wrote, user data sits in strings with their quotes escaped, so an unescaped "type" can
        # only be the event's own.
        return func.substring(event_data, _TYPE_PATTERN)

    def is_terminal(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        # The regular expression is for few events.
        return case((event_data.like('%"Orchestration%'), super().is_terminal(event_data)), else_=False)

    def event_number(self, event_data: ColumnElement[str], name: str) -> ColumnElement[int]:
        # A regular expression takes ten times as long.
        rest = func.split_part(event_data, f'"{name}":', 2)
        value = func.btrim(func.split_part(func.split_part(rest, ",", 1), "}", 1))
        is_number = and_(func.length(value).between(1, _DIGITS), func.translate(value, "0123456789", "") == "")
        return case((is_number, cast(value, BigInteger)))

    def place_in(self, text: ColumnElement[str], part: ColumnElement[str]) -> ColumnElement[int]:
        return func.strpos(text, part)

    def event_readable(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        return func.coalesce(and_(event_data.regexp_match(_OBJECT_PATTERN), self.is_known_type(event_data)), False)

    def completed_at_well_formed(self, completed_at: ColumnElement[Any]) -> ColumnElement[bool]:
        return true()

    def is_waiting(self, queue: Table, now_ms: int) -> ColumnElement[bool]:
        free = or_(queue.c.lock_token.is_(None), queue.c.locked_until <= now_ms)
        return and_(queue.c.visible_at <= self.queue_time(now_ms), free)

    def insert(self, table: Table) -> Any:
        return insert(table)

    def older_than(self, moment: ColumnElement[Any], seconds: int) -> ColumnElement[bool]:
        return type_coerce(moment, DateTime(timezone=True)) < func.now() - timedelta(seconds=seconds)

    def matches_glob(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
        return text.like(literal(escaped), escape="\\")

    def key_range(self, column: ColumnElement[Any], after: Any, up_to: Any) -> list[ColumnElement[bool]]:
        """Return the conditions with bounds that are not known yet when a statement is planned.

        By its statistics PostgreSQL takes keys that came after the last ANALYZE for one row at most, and then joins
        thousands of them each with each. Between two bounds that it does not know it expects one row in two hundred; of
        one alone a third of all.
        """
        if up_to is None or not isinstance(column.type, Text):
            return super().key_range(column, after, up_to)
        first, last = (select(literal(value, column.type)).scalar_subquery() for value in (after or "", up_to))
        return [column >= first if after is None else column > first, column <= last]

    def among(self, column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
        # As one parameter: thousands of them took longer to send than the answer to come.
        return column == any_(literal(list(values), ARRAY(Text)))

    def among_given(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        return column == any_(bindparam(parameter, type_=ARRAY(Text)))


def _last_event(execution: FromClause) -> FromClause:
    """Return the last event of each execution."""
    event = history.c
    return (
        select(history)
        .where(event.instance_id == execution.c.instance_id, event.execution_id == execution.c.execution_id)
        .order_by(event.event_id.desc())
        .limit(1)
        .lateral("last_event")
    )

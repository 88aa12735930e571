"""What PostgreSQL can tell about a row of history."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NoReturn

from sqlalchemy import BigInteger, ColumnElement, Connection, Executable, and_, case, cast, func, literal, not_, or_
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.exc import DBAPIError

from holystone.store.flavours.event_forms import DIGITS, Data, EventForms, Pattern, Row, Wild

_MEANS_MORE = re.compile(r"([\\%_])")
_LONGEST = 18
"""Digits that surely fit into a BIGINT."""
_NO_JSON = ("22", "54001")
"""How the states begin of the errors that a cast to JSON ends in: no JSON, or nested too deep."""


class PostgreSQLEventForms(EventForms):
    # Patterns of LIKE and functions on fixed texts: a regular expression over the whole of an event takes a hundred
    # times as long.

    def kind(self, row: Row) -> ColumnElement[str]:
        # The column says `Event` in every row.
        return func.split_part(func.split_part(row.event_data, '"type":"', 2), '"', 1)

    def is_kind(self, row: Row, kind: str) -> ColumnElement[bool]:
        return self.contains(row.event_data, f'"type":"{kind}"')

    def refers_to(self, row: Row, source: Row) -> ColumnElement[bool]:
        said = func.split_part(_source(row), ":", 2)
        is_number = and_(func.translate(said, DIGITS, "") == "", func.length(said).between(1, _LONGEST))
        refers: ColumnElement[bool] = source.event_id == case((is_number, cast(said, BigInteger)))
        return refers

    def has_ids_of(self, row: Row) -> ColumnElement[bool]:
        begins = func.starts_with(row.event_data, func.concat('{"event_id":', row.event_id, ","))
        ids = (',"instance_id":"', row.instance_id, '","execution_id":', row.execution_id, ',"timestamp_ms":')
        return and_(begins, func.strpos(row.event_data, func.concat(*ids)) > 0)

    def fits(self, data: Data, pattern: Pattern) -> ColumnElement[bool]:
        # LIKE knows no digits, but the first one of a moment is one of few.
        firsts = product("1234", repeat=pattern.count(Wild.moment))
        return or_(*(data.like(literal(_like(pattern, iter(first)))) for first in firsts))

    def opens(self, data: Data, name: str, characters: str) -> ColumnElement[bool]:
        start = f',"{name}":'
        begins = func.strpos(data, start)
        return and_(begins > 0, func.substr(data, begins + len(start), 1).in_(list(characters)))

    def is_sound(self, data: Data) -> ColumnElement[bool]:
        # JSONB, to which the engine casts, takes neither NUL nor half of a surrogate pair.
        escaped = and_(func.strpos(data, "\\u") > 0, func.strpos(func.replace(data, "\\\\", ""), "\\u") > 0)
        return not_(escaped)

    def fails_as_json(self, data: Data) -> ColumnElement[bool]:
        return cast(data, JSON).is_(None)

    def attempt(self, connection: Connection, statement: Executable) -> Iterable[Any] | None:
        try:
            with connection.begin_nested():
                return connection.execute(statement).all()
        except DBAPIError as error:
            if str(getattr(error.orig, "sqlstate", None)).startswith(_NO_JSON):
                return None
            raise

    def survives(self, data: str) -> bool:
        # fetch_orchestration_item casts the whole history to JSONB.
        try:
            said = json.dumps(json.loads(data, parse_constant=_refuse), ensure_ascii=False)
            said.encode()
        except (ValueError, RecursionError):
            return False
        return "\\u0000" not in said.replace("\\\\", "")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _source(row: Row) -> ColumnElement[str]:
    """Return the source_event_id of an event as the engine writes it, with its name."""
    return func.split_part(row.event_data, ",", 2)


def _like(pattern: Pattern, firsts: Iterator[str]) -> str:
    """Return the pattern for LIKE, with these digits as the first ones of its moments."""

    def part(of: str | Wild) -> str:
        if of is Wild.moment:
            return next(firsts) + "_" * 12
        return "%" if isinstance(of, Wild) else _MEANS_MORE.sub(r"\\\1", of)

    return "".join(part(of) for of in pattern)

"""What SQLite can tell about a row of history."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    LargeBinary,
    Numeric,
    and_,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    type_coerce,
)

from holystone.store.flavours.event_forms import Data, EventForms, Pattern, Row, Wild

_WILD = {Wild.anything: "*", Wild.moment: "[1-4]" + "[0-9]" * 12}
_MEANS_MORE = str.maketrans({sign: f"[{sign}]" for sign in "*?["})

_DIGITS = 20
"""More than any id has."""

IS_UTF8 = "holystone_is_utf8"
"""The SQL function that tells whether bytes are UTF-8, which SQLite cannot; connections have it from `is_utf8`."""


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class SQLiteEventForms(EventForms):
    def kind(self, row: Row) -> ColumnElement[str]:
        column: ColumnElement[str] = row.event_type
        return column

    def is_kind(self, row: Row, kind: str) -> ColumnElement[bool]:
        return self.kind(row) == kind

    def refers_to(self, row: Row, source: Row) -> ColumnElement[bool]:
        before = func.length(row.event_id) + len('{"event_id":,"source_event_id":')
        return _begins_with(func.substr(row.event_data, before + 1, _DIGITS), source.event_id)

    def has_ids_of(self, row: Row) -> ColumnElement[bool]:
        event_id = func.substr(row.event_data, len('{"event_id":') + 1, _DIGITS)
        ids = (',"instance_id":"', row.instance_id, '","execution_id":', row.execution_id, ',"timestamp_ms":')
        return and_(_begins_with(event_id, row.event_id), func.instr(row.event_data, _joined(*ids)) > 0)

    def fits(self, data: Data, pattern: Pattern) -> ColumnElement[bool]:
        # Many times as quick as instr, and quicker than asking for the fields with JSON functions.
        parts = (_WILD[part] if isinstance(part, Wild) else part.translate(_MEANS_MORE) for part in pattern)
        return _glob(data, "".join(parts))

    def opens(self, data: Data, name: str, characters: str) -> ColumnElement[bool]:
        return _glob(data, f'*,"{name}":[{characters}]*')

    def is_sound(self, data: Data) -> ColumnElement[bool]:
        octets = cast(data, LargeBinary)
        ascii_only = func.length(data) == func.length(octets)
        escaped = and_(self.contains(data, "\\u"), self.contains(func.replace(data, "\\\\", ""), "\\u"))
        return and_(
            func.typeof(data) == "text",
            func.json_valid(data) == 1,
            # The engine escapes few characters in this way. Half of a surrogate pair is valid to SQLite.
            not_(escaped),
            or_(ascii_only, getattr(func, IS_UTF8)(octets) == 1),
        )

    def fails_as_json(self, data: Data) -> ColumnElement[bool]:
        return false()

    def attempt(self, connection: Connection, statement: Executable) -> Iterable[Any] | None:
        return connection.execute(statement)

    def survives(self, data: str) -> bool:
        return True


def _glob(data: Data, pattern: str) -> ColumnElement[bool]:
    return data.op("GLOB", is_comparison=True)(literal(pattern))


def _joined(first: str, *rest: Any) -> ColumnElement[str]:
    whole: ColumnElement[str] = literal(first)
    for part in rest:
        whole = whole.op("||")(part)
    return whole


def _begins_with(text: ColumnElement[str], number: ColumnElement[int]) -> ColumnElement[bool]:
    # As NUMERIC, for what begins with 2.5 does not begin with 2.
    begins: ColumnElement[bool] = type_coerce(number, Numeric) == cast(text, Numeric)
    return begins

"""What SQLite can tell about a row of history."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Numeric,
    and_,
    cast,
    func,
    literal,
    not_,
    or_,
    type_coerce,
)

from holystone.store.flavours.event_forms import Data, EventForms, Pattern, Row, Wild

_WILD = {Wild.anything: "*", Wild.moment: "[12]" + "[0-9]" * 12}
_MEANS_MORE = str.maketrans({sign: f"[{sign}]" for sign in "*?["})

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
        # A cast reads the number that a text begins with; as NUMERIC, for that of 2.5 is not 2.
        number = cast(func.substr(row.event_data, before + 1, 20), Numeric)
        return type_coerce(source.event_id, Numeric) == number

    def has_ids_of(self, row: Row) -> ColumnElement[bool]:
        event = _joined('{"event_id":', row.event_id, ',"source_event_id":')
        ids = (',"instance_id":"', row.instance_id, '","execution_id":', row.execution_id, ',"timestamp_ms":')
        execution = _joined(*ids)
        return and_(func.instr(row.event_data, event) == 1, func.instr(row.event_data, execution) > 0)

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

    def all_json(self, connection: Connection, within: Sequence[ColumnElement[bool]]) -> bool:
        return True

    def survives(self, data: str) -> bool:
        return True


def _glob(data: Data, pattern: str) -> ColumnElement[bool]:
    return data.op("GLOB", is_comparison=True)(literal(pattern))


def _joined(first: str, *rest: Any) -> ColumnElement[str]:
    return reduce(lambda whole, part: whole.op("||")(part), rest, literal(first))

"""Values of SQLite as JSON, and back.

SQLite keeps in any column what it is given: bytes, text that is no UTF-8, and numbers without end have a form of their
own in JSON.
"""

import re
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Text, cast, literal, literal_column, null

from holystone.flavours.values import Values, fits_bigint, is_fit_to_print, is_utf8

STRAY_BYTES = "surrogateescape"
"""How bytes that are no UTF-8 come through text, as Python's own file names do: one bad row blinds no check."""
_WITHOUT_END = {"inf": "9e999", "-inf": "-9e999"}
"""Numbers that JSON has no word for, and how they are written in SQL."""
_MOMENT = "%Y-%m-%d %H:%M:%S"


class SQLiteValues(Values):
    def to_json(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return {"hex": value.hex()}
        if isinstance(value, str) and not is_utf8(value):
            return {"text_hex": value.encode(errors=STRAY_BYTES).hex()}
        if isinstance(value, float) and not isfinite(value):
            return {"real": str(value)}
        return value

    def from_json(self, column: str, value: Any) -> Any:
        match value:
            case {"hex": digits}:
                return bytes.fromhex(digits)
            case {"text_hex": digits}:
                return cast(literal(bytes.fromhex(digits), LargeBinary), Text)
            case {"real": word}:
                return float(word)
            case _:
                return value

    def is_json_of_value(self, document: Any) -> bool:
        match document:
            case {"hex": str(digits)} | {"text_hex": str(digits)} if len(document) == 1:
                return re.fullmatch("([0-9a-f]{2})*", digits) is not None
            case {"real": str(word)} if len(document) == 1:
                return word in _WITHOUT_END
            case str():
                return is_utf8(document)
            case bool() | None:
                return document is None
            case int():
                return fits_bigint(document)
            case _:
                return isinstance(document, float) and isfinite(document)

    def sql_literal(self, value: Any) -> ColumnElement[Any]:
        match value:
            case {"hex": digits}:
                return literal_column(f"X'{digits}'")
            case {"text_hex": digits}:
                return literal_column(f"CAST(X'{digits}' AS TEXT)")
            case {"real": word}:
                return literal_column(_WITHOUT_END[word])
            case str() if not is_fit_to_print(value):
                return literal_column(f"CAST(X'{value.encode().hex()}' AS TEXT)")
            case _:
                return null() if value is None else literal(value)

    def completed_at(self, ms: int) -> Any:
        return ms

    def created_at(self, ms: int) -> Any:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime(_MOMENT)

    def queue_time(self, ms: int) -> Any:
        return ms

    def to_ms(self, moment: Any) -> int | None:
        if isinstance(moment, int) or moment is None:
            return moment
        try:
            return int(datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC).timestamp() * 1000)
        except (TypeError, ValueError):
            return None

    def event_type_column(self, kind: str) -> str:
        return kind

    def engine_can_decode(self, event_data: str) -> bool:
        return True

    def may_break_engine(self, texts: str) -> bool:
        return False

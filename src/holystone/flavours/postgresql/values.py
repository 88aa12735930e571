"""Values of PostgreSQL as Python has them, as JSON, and back.

A moment may lie where no calendar of Python's reaches: before the year 1, after 9999, or at infinity. Such a one is
kept as the text that PostgreSQL writes.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, DateTime, Integer, Text, cast, literal, literal_column, null

from holystone.flavours.postgresql.jsonb import printed
from holystone.flavours.values import Values, fits_bigint, is_fit_to_print, is_utf8

EPOCH = datetime.fromtimestamp(0, UTC)
_CYCLE_MS = 146_097 * 86_400_000
"""400 years, after which the calendar repeats itself."""
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999."""


def moment_at(ms: int) -> datetime | str:
    """Return ms since the epoch as a column has them; a text where Python's calendar ends before that."""
    if ms <= _LAST_MS:
        return EPOCH + timedelta(milliseconds=ms)
    cycles = (ms - _LAST_MS - 1) // _CYCLE_MS + 1
    moment = EPOCH + timedelta(milliseconds=ms - cycles * _CYCLE_MS)
    return f"{moment.year + 400 * cycles}{moment.isoformat()[4:]}"


class PostgreSQLValues(Values):
    def to_json(self, value: Any) -> Any:
        return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value

    def from_json(self, column: str, value: Any) -> Any:
        if not column.endswith("_at") or not isinstance(value, str):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return cast(literal(value, Text), DateTime(timezone=True))

    def is_json_of_value(self, document: Any) -> bool:
        match document:
            case str():
                return is_utf8(document) and "\0" not in document
            case bool() | None:
                return document is None
            case int():
                return fits_bigint(document)
            case _:
                return False

    def is_json_of_column(self, column: Column[Any], document: Any) -> bool:
        fits = document is None or isinstance(column.type, Integer) == isinstance(document, int)
        return fits and self.is_json_of_value(document)

    def sql_literal(self, value: Any) -> ColumnElement[Any]:
        if isinstance(value, str) and not is_fit_to_print(value):
            return literal_column(f"convert_from('\\x{value.encode().hex()}', 'UTF8')")
        return null() if value is None else literal(value)

    def completed_at(self, ms: int) -> Any:
        return moment_at(ms)

    def created_at(self, ms: int) -> Any:
        return self.completed_at(ms)

    def queue_time(self, ms: int) -> Any:
        return self.completed_at(ms)

    def to_ms(self, moment: Any) -> int | None:
        return (moment - EPOCH) // timedelta(milliseconds=1) if isinstance(moment, datetime) else None

    def event_type_column(self, kind: str) -> str:
        return "Event"

    def engine_can_decode(self, event_data: str) -> bool:
        # fetch_orchestration_item casts the whole history to JSONB.
        try:
            printed(event_data)
        except ValueError:
            return False
        return True

    def may_break_engine(self, texts: str) -> bool:
        return "\\u0000" in texts


def register_loaders(connection: Any) -> None:
    """Have a connection of psycopg hand out moments beyond Python's calendar as text, and all others as before."""
    from psycopg import DataError, adapt, pq

    oid = connection.adapters.types["timestamptz"].oid
    usual = connection.adapters.get_loader(oid, pq.Format.TEXT)

    class MomentLoader(adapt.Loader):
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._usual = usual(oid, context)

        def load(self, data: Any) -> Any:
            try:
                return self._usual.load(data)
            except DataError:
                return bytes(data).decode()

    connection.adapters.register_loader(oid, MomentLoader)

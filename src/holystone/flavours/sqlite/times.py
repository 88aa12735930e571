"""What SQLite can tell about times: any column may hold any value, and a text is later than every number."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, literal_column

from holystone.flavours.times import DAY_MS, MOST_ATTEMPTS, Times

# The Julian day of the epoch.
_EPOCH = 2_440_587.5


class SQLiteTimes(Times):
    latest_ms = 2**63 - 1
    greatest_version = 2**63 - 1

    @property
    def clock_ms(self) -> ColumnElement[int]:
        return cast(func.round((func.julianday("now") - _EPOCH) * DAY_MS), BigInteger)

    def comes(self, visible_at: ColumnElement[Any]) -> ColumnElement[bool]:
        # A text, as the column's own default is, sorts after every number, and infinity is a number.
        return and_(_is_number(visible_at), visible_at < literal_column("9e999"))

    def due_ms(self, visible_at: ColumnElement[Any]) -> ColumnElement[int]:
        return case((self.comes(visible_at), cast(visible_at, BigInteger)))

    def is_lease(self, locked_until: ColumnElement[int]) -> ColumnElement[bool]:
        return and_(_is_number(locked_until), func.ifnull(locked_until, 0) <= self.clock_ms + DAY_MS)

    def is_count(self, attempt_count: ColumnElement[int]) -> ColumnElement[bool]:
        return and_(func.typeof(attempt_count) == "integer", func.ifnull(attempt_count, -1).between(0, MOST_ATTEMPTS))


def _is_number(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.typeof(column).in_(["integer", "real"])

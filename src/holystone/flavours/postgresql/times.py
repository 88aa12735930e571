"""What PostgreSQL can tell about times: visible_at is a timestamptz, which knows infinity; locks are in ms."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, extract, false, func

from holystone.flavours.times import DAY_MS, MOST_ATTEMPTS, Times


class PostgreSQLTimes(Times):
    latest_ms = 9_224_318_015_999_999
    greatest_version = 2**31 - 1

    @property
    def clock_ms(self) -> ColumnElement[int]:
        # now() is the time of the transaction's begin, and clock_timestamp() is no constant to search by.
        return cast(func.floor(extract("epoch", func.statement_timestamp()) * 1000), BigInteger)

    def comes(self, visible_at: ColumnElement[Any]) -> ColumnElement[bool]:
        # Infinity never comes, and NULL is not earlier than anything; the column may hold it up to migration 12.
        return func.coalesce(visible_at < "infinity", false())

    def due_ms(self, visible_at: ColumnElement[Any]) -> ColumnElement[int]:
        is_point = and_(visible_at < "infinity", visible_at > "-infinity")
        return case((is_point, cast(func.round(extract("epoch", visible_at) * 1000), BigInteger)))

    def is_lease(self, locked_until: ColumnElement[int]) -> ColumnElement[bool]:
        return func.coalesce(locked_until <= self.clock_ms + DAY_MS, false())

    def is_count(self, attempt_count: ColumnElement[int]) -> ColumnElement[bool]:
        return func.coalesce(attempt_count.between(0, MOST_ATTEMPTS), false())

"""What SQL can tell about the times, locks and counts that decide when the engine takes something up.

Sources: `fetch_orchestration_item`, `fetch_work_item`, `abandon_*` and `renew_*` in src/providers/sqlite.rs of
microsoft/duroxide and in the functions of microsoft/duroxide-pg; `RuntimeOptions` in src/runtime/mod.rs, by which the
lengths of locks and back-offs may be set.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, and_

DAY_MS = 86_400_000
"""The longest lock or back-off that a runtime can sensibly be given, in ms: the defaults are 5 to 60 seconds."""
APART_MS = 900_000
"""By how much the clocks of engine and database may be apart, in ms."""
MOST_ATTEMPTS = 2**31 - 2
"""The greatest count of attempts to which the engine can add one in the column of PostgreSQL."""


class Times(ABC):
    """Expressions, none of which is ever NULL where it is a condition."""

    latest_ms: ClassVar[int]
    """The last moment that a queue's visible_at can have, in ms since the epoch."""

    greatest_version: ClassVar[int]
    """The greatest custom_status_version that its column holds: the engine cannot add one to it."""

    @property
    @abstractmethod
    def clock_ms(self) -> ColumnElement[int]:
        """What to select for the time by the database's clock, in ms since the epoch: that of the statement's begin."""

    @abstractmethod
    def comes(self, visible_at: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return whether a queue's visible_at has a form in which its time ever comes."""

    @abstractmethod
    def due_ms(self, visible_at: ColumnElement[Any]) -> ColumnElement[int]:
        """Return a queue's visible_at in ms since the epoch, NULL where it is no point in time."""

    @abstractmethod
    def is_lease(self, locked_until: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether a lock with this end can be one of the engine's: it ends within DAY_MS, or has ended."""

    @abstractmethod
    def is_count(self, attempt_count: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether the engine can count on from there, and takes it for what it is."""

    def is_held(self, locked_until: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether somebody holds a lock with this end: not one that no engine can have made."""
        return and_(self.is_lease(locked_until), locked_until > self.clock_ms)

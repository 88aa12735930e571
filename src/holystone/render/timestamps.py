"""Moments as people and programs read them."""

from datetime import UTC, datetime
from typing import Any


def moment(of: datetime) -> str:
    """Return a moment in UTC, to the millisecond."""
    return of.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(ms: int) -> str:
    """Return ms since the epoch as a moment in UTC."""
    return moment(datetime.fromtimestamp(ms / 1000, UTC))


def moment_of_second(ms: int) -> str:
    """Return ms since the epoch as a moment in UTC, to the second."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_or_value(ms: Any) -> str:
    """Return what a column of ms holds as a moment in UTC, or as it stands where no calendar has it."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (TypeError, ValueError, OverflowError, OSError):
        return repr(ms)

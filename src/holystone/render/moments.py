"""Moments as people and programs read them."""

from datetime import UTC, datetime


def moment(of: datetime) -> str:
    """Return a moment in UTC, to the millisecond."""
    return of.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(ms: int) -> str:
    """Return ms since the epoch as a moment in UTC."""
    return moment(datetime.fromtimestamp(ms / 1000, UTC))

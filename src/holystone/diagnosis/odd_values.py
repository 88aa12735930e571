"""What a column holds, as JSON and people can have it: SQLite keeps anything in any column."""

from math import isfinite
from typing import Any


def as_text(value: Any) -> str | None:
    """Return a text as it stands, and anything else in words."""
    return value if value is None or isinstance(value, str) else str(value)


def as_number(value: Any) -> Any:
    """Return a number as it stands, and anything else, infinity too, in words."""
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    return as_text(value)

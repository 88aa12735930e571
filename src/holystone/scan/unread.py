"""Rows that could not be looked at: named, and passed over, so that one of them hides no other."""

from typing import Any

from msgspec import Struct
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

from holystone.scan.reader import Reader

_NOT_BY_KEY = (NoResultFound, MultipleResultsFound)
"""How a search by its key fails for a row that was just read: where an index is damaged."""
ODD = (
    *(TypeError, ValueError, ArithmeticError, LookupError, AttributeError, AssertionError, RecursionError),
    *_NOT_BY_KEY,
)
"""How Python fails at a value that no engine writes, such as bytes where SQLite's column should hold a number."""


class Unread(Struct, frozen=True):
    """A row, by those columns of its key that are known, and why it could not be looked at."""

    key: dict[str, Any]
    reason: str


def may_be_of_rows(reader: Reader, error: BaseException) -> bool:
    """Return whether a statement, or the facts of what it found, may have failed for a row's sake."""
    return reader.flavour.is_of_rows(error) if isinstance(error, DBAPIError) else isinstance(error, ODD)


def unread(reader: Reader, key: dict[str, Any], error: Exception) -> Unread:
    """Return that a row could not be looked at; the error itself is raised where it is about more than this row."""
    if isinstance(error, DBAPIError):
        if not reader.flavour.is_of_one_statement(error):
            raise error
        return Unread(key, reader.flavour.translate_error(error).message.rstrip("."))
    if isinstance(error, _NOT_BY_KEY):
        return Unread(key, "a search by its key does not find it, or finds two of it, as where an index is damaged")
    return Unread(key, f"it holds what no engine writes ({type(error).__name__}: {error})")

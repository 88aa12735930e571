"""What a flavour has to answer for where a value is read or written, one by one."""

from abc import ABC, abstractmethod
from typing import Any

from sqlalchemy import Column, ColumnElement

_PIECE = 1024 * 1024
"""Characters of a text that are looked at at a time, so that a long one is not held once more."""


def is_utf8(text: str) -> bool:
    """Return whether a database takes the text as it gave it: bytes that are not UTF-8 come as halves of surrogates."""
    try:
        for start in range(0, 0 if text.isascii() else len(text), _PIECE):
            text[start : start + _PIECE].encode()
    except UnicodeEncodeError:
        return False
    return True


def fits_bigint(number: int) -> bool:
    """Return whether a database can hold the number at all: in 64 bits, with a sign."""
    return -(2**63) <= number < 2**63


def is_fit_to_print(text: str) -> bool:
    """Return whether the text holds no control character but line ends."""
    return all(character.isprintable() or character == "\n" for character in text)


class Values(ABC):
    """The values of columns: the driver's own, as the engine keeps them.

    `to_json` and `from_json` carry them through a plan or a journal without loss.
    """

    @abstractmethod
    def to_json(self, value: Any) -> Any:
        """Return a column's value as JSON that `from_json` turns back into the very same value."""

    @abstractmethod
    def from_json(self, column: str, value: Any) -> Any:
        """Return what to compare with or to write for JSON that `to_json` made: a value or an expression."""

    @abstractmethod
    def is_json_of_value(self, document: Any) -> bool:
        """Return whether JSON that anybody may have written is what `to_json` makes of some value."""

    def is_json_of_column(self, column: Column[Any], document: Any) -> bool:
        """Return whether it is so of a value that this column can have."""
        return self.is_json_of_value(document)

    @abstractmethod
    def sql_literal(self, value: Any) -> ColumnElement[Any]:
        """Return a value in the form of `to_json` as it is written in SQL for people to read and paste.

        Nothing in it can upset a terminal: text with control characters is spelt in hexadecimal.
        """

    @abstractmethod
    def completed_at(self, ms: int) -> Any:
        """Return `ms` since the epoch as the engine keeps it in executions.completed_at."""

    @abstractmethod
    def created_at(self, ms: int) -> Any:
        """Return `ms` since the epoch as the engine keeps it in created_at, updated_at and started_at."""

    @abstractmethod
    def queue_time(self, ms: int) -> Any:
        """Return `ms` since the epoch as the engine keeps it in a queue's visible_at."""

    @abstractmethod
    def to_ms(self, moment: Any) -> int | None:
        """Return a moment of any column as ms since the epoch, None where there is none or it is in no known form."""

    @abstractmethod
    def event_type_column(self, kind: str) -> str:
        """Return what the engine writes to history.event_type for an event of this type."""

    @abstractmethod
    def engine_can_decode(self, event_data: str) -> bool:
        """Return whether the engine survives that it fetches such an event: not where its own statement fails."""

    @abstractmethod
    def may_break_engine(self, texts: str) -> bool:
        """Return whether the engine may not survive one of these events, all of them JSON: quick, never wrongly no."""

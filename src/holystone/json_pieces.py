"""JSON as the json module writes it, to the letter, in pieces: a text in it can be as long as a database takes one."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO

LONG = 64 * 1024
"""Characters from which on a text is written in pieces of that many."""
_MANY = 100
"""Members from which on a list is written one by one."""


class Writer:
    """Writes JSON; the parameters are those of `json.dumps`. An iterator is written as a list."""

    def __init__(
        self,
        *,
        indent: int | None = None,
        sort_keys: bool = False,
        separators: tuple[str, str] | None = None,
        default: Callable[[Any], Any] | None = None,
    ) -> None:
        self._encode = json.JSONEncoder(
            indent=indent, sort_keys=sort_keys, separators=separators, default=default
        ).encode
        self._indent = indent
        self._sort_keys = sort_keys
        self._comma, self._colon = separators or (", " if indent is None else ",", ": ")

    def pieces(self, value: Any, level: int = 0) -> Iterator[str]:
        """Yield the text of a value, `level` lists and objects deep in another one."""
        if isinstance(value, Iterator) or (isinstance(value, list) and len(value) > _MANY):
            yield from self._array(value, level)
        elif not holds_long(value):
            yield self._indented(self._encode(value), level)
        elif isinstance(value, str):
            yield '"'
            for start in range(0, len(value), LONG):
                yield self._encode(value[start : start + LONG])[1:-1]
            yield '"'
        elif isinstance(value, Mapping):
            items = sorted(value.items()) if self._sort_keys else value.items()
            for number, (name, one) in enumerate(items):
                yield ("{" if number == 0 else self._comma) + self._line(level + 1)
                yield from self.pieces(name)
                yield self._colon
                yield from self.pieces(one, level + 1)
            yield self._line(level) + "}"
        else:
            yield from self._array(value, level)

    def _array(self, values: Iterable[Any], level: int) -> Iterator[str]:
        number = -1
        for number, one in enumerate(values):
            yield ("[" if number == 0 else self._comma) + self._line(level + 1)
            yield from self.pieces(one, level + 1)
        yield "[]" if number < 0 else self._line(level) + "]"

    def write(self, value: Any, out: TextIO) -> None:
        """Write a value to a file."""
        for piece in self.pieces(value):
            out.write(piece)

    def sha256(self, value: Any) -> str:
        """Return the SHA-256 of a value's text, in hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.pieces(value):
            digest.update(piece.encode())
        return digest.hexdigest()

    def _line(self, level: int) -> str:
        return "" if self._indent is None else "\n" + " " * self._indent * level

    def _indented(self, text: str, level: int) -> str:
        # A line end inside a text is escaped, so these are the writer's own.
        return text if self._indent is None or level == 0 else text.replace("\n", self._line(level))


def holds_long(value: Any) -> bool:
    """Return whether a value is a long text, or has one in it, or may have."""
    if isinstance(value, str):
        return len(value) > LONG
    if isinstance(value, Mapping):
        return any(holds_long(one) for one in value.values()) or any(map(holds_long, value))
    if isinstance(value, list | tuple):
        return len(value) > _MANY or any(map(holds_long, value))
    return isinstance(value, Iterator)

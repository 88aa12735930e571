"""Which of the indexes that others have added to the engine's tables can make a write fail."""

import re

_LITERAL = re.compile(r"'(?:[^']|'')*'(?:::[a-z][\w ]*\w(?:\[\])?)?")
_PLAIN = re.compile(
    r"(?i:\s|\b(?:AND|OR|NOT|IS|NULL|IN|BETWEEN|LIKE|GLOB|TRUE|FALSE|ANY|ARRAY)\b\s*[(\[]*|[\w\".]++(?!\s*+\()|<>|!=|[<>=]+"
    r"|[(),\]])*+"
)


def cannot_fail(condition: str) -> bool:
    """Return whether a condition only compares columns with constants: no function, cast or sum can fail in it."""
    return _PLAIN.fullmatch(_LITERAL.sub("0", condition)) is not None

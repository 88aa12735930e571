"""SQL to paste, laid out over lines: what fits in a line stays there, what does not begins one at each clause."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

WIDTH = 100
"""Columns of a line, but where one word is longer."""
_WORD = re.compile(r"""(\s*)('(?:[^']|'')*'|"(?:[^"]|"")*"|\bCASE\b|\bEND\b|[(),;]|[^\s(),;'"]+)""")
_OPENERS, _CLOSERS = ("(", "CASE"), (")", "END")
_CLAUSES = frozenset("SELECT FROM WHERE GROUP ORDER HAVING LIMIT UNION INTERSECT EXCEPT LEFT CROSS JOIN".split())  # noqa: SIM905
_GOES_ON = frozenset(["UNION", "ALL", "INTERSECT", "EXCEPT", "LEFT", "CROSS", "DISTINCT"])
"""Words behind which the next one begins no clause."""
_BREAKS: Sequence[Collection[str]] = (_CLAUSES, ("OR",), ("AND",), ("WHEN", "ELSE"))
"""Words that begin a line where the whole does not fit in one: the first kind of which there is any."""


@dataclass(frozen=True)
class _Word:
    text: str
    is_apart: bool
    """Whether there is white space before it."""


def laid_out(sql: str) -> str:
    """Return statements over lines of WIDTH columns: only white space differs, and none of a literal."""
    if all(len(line) <= WIDTH for line in sql.split("\n")):
        return sql
    words = [_Word(found[2], bool(found[1])) for found in _WORD.finditer(sql)]
    return "\n".join(line for statement in _after(words, ";") for line in _lines(statement, 0))


def _lines(words: Sequence[_Word], indent: int) -> Iterator[str]:
    flat = "".join(f" {word.text}" if word.is_apart and at else word.text for at, word in enumerate(words))
    if indent + len(flat) <= WIDTH:
        yield " " * indent + flat
        return
    for begins in _BREAKS:
        parts = list(_before(words, begins))
        if len(parts) > 1:
            further = 0 if begins is _CLAUSES else 2
            for number, part in enumerate(parts):
                yield from _lines(part, indent + (further if number else 0))
            return
    listed = list(_after(words, ","))
    if len(listed) > 1:
        for number, part in enumerate(listed):
            yield from _lines(part, indent + (2 if number else 0))
        return
    begin, end = _longest_group(words)
    if begin == end:
        yield " " * indent + flat
        return
    yield from _lines(words[: begin + 1], indent)
    yield from _lines(words[begin + 1 : end], indent + 2)
    yield from _lines(words[end:], indent)


def _depths(words: Sequence[_Word]) -> Iterator[int]:
    """Yield of each word how many groups it is in; those that begin and end one are outside of it."""
    depth = 0
    for word in words:
        depth -= word.text in _CLOSERS and depth > 0
        yield depth
        depth += word.text in _OPENERS


def _before(words: Sequence[_Word], begins: Collection[str]) -> Iterator[Sequence[_Word]]:
    """Yield the words in parts, each of which begins with one of these words."""
    start, last = 0, ""
    for at, (word, depth) in enumerate(zip(words, _depths(words), strict=True)):
        if at and not depth and word.text in begins and last not in _GOES_ON:
            yield words[start:at]
            start = at
        last = word.text
    yield words[start:]


def _after(words: Sequence[_Word], end: str) -> Iterator[Sequence[_Word]]:
    """Yield the words in parts, each of which ends with this word."""
    start = 0
    for at, (word, depth) in enumerate(zip(words, _depths(words), strict=True), 1):
        if not depth and word.text == end and at < len(words):
            yield words[start:at]
            start = at
    yield words[start:]


def _longest_group(words: Sequence[_Word]) -> tuple[int, int]:
    """Return where the longest group begins and ends; the same number twice where there is none."""
    longest, begin = (0, 0), None
    for at, (word, depth) in enumerate(zip(words, _depths(words), strict=True)):
        if depth:
            continue
        if word.text in _OPENERS:
            begin = at
        elif word.text in _CLOSERS and begin is not None:
            longest, begin = max(longest, (begin, at), key=lambda one: one[1] - one[0]), None
    return longest

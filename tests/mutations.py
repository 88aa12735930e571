"""Texts that are drawn from sound ones by changes of a few characters or parts, for as long as there is time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("HOLYSTONE_TEST_FUZZ_SECONDS", "10"))
"""How long each test draws."""
SEED = int(os.environ.get("HOLYSTONE_TEST_SEED", "1"))
CORPUS = Path(__file__).with_name("corpus")
"""A file for each kind of text, a text a line: what once was read wrongly, or what is otherwise worth keeping."""

TOKENS = (
    *(
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "\x00",
        "\x1b[2J",
        "\x9b",
        "\u202e",
        "\u2028",
        "\ufeff",
        "😀",
    ),
    *("null", "true", "-1", "0", "-0", "1.0", "1e2", "1e400", "NaN", str(2**63), str(2**64), "9" * 400, "0" * 40),
    *(
        "\\ud800",
        "\\u0000",
        "\\u0022",
        "\\x",
        '"type"',
        '"instance"',
        '{"a":1}',
        "[[]]",
        "'",
        "%",
        "%00",
        "../",
        "//",
        "@",
    ),
    *("\udcff", "é", "\x7f", "=", "#", "[[", "]]", "1979-05-27", "'''", '"""', "--", "-", "*", "?", "=~", "sqlite:///"),
)
"""What is put in, beside parts of other texts."""


def read(name: str) -> list[str]:
    """The texts of a file of the corpus; none where there is no such file."""
    file = CORPUS / f"{name}.txt"
    if not file.exists():
        return []
    return [line.encode().decode("unicode_escape") for line in file.read_text("ascii").splitlines() if line]


def mutated(samples: Sequence[str]) -> st.SearchStrategy[str]:
    """Draw one of the samples with one to four changes."""
    texts = st.sampled_from(samples)
    changes = st.lists(
        st.tuples(st.sampled_from(CHANGES), _AT, _AT, st.sampled_from(TOKENS), texts), min_size=1, max_size=4
    )
    return st.builds(_changed, texts, changes)


_AT = st.floats(0, 1, exclude_max=True)
Change = Callable[[str, int, int, str, str], str]


def _changed(text: str, changes: Sequence[tuple[Change, float, float, str, str]]) -> str:
    for change, first, second, token, other in changes:
        start, end = sorted((int(first * (len(text) + 1)), int(second * (len(text) + 1))))
        text = change(text, start, end, token, other)
    return text


def put_in(text: str, start: int, end: int, token: str, other: str) -> str:
    return text[:start] + token + text[start:]


def replace(text: str, start: int, end: int, token: str, other: str) -> str:
    return text[:start] + token + text[start + len(token) :]


def take_out(text: str, start: int, end: int, token: str, other: str) -> str:
    return text[:start] + text[end:] if end - start < len(text) // 2 else text[:start] + text[start + 1 :]


def double(text: str, start: int, end: int, token: str, other: str) -> str:
    return text[:end] + text[start:]


def cut_off(text: str, start: int, end: int, token: str, other: str) -> str:
    return text[:end]


def splice(text: str, start: int, end: int, token: str, other: str) -> str:
    """The beginning of one text and the end of another, cut at the same distance from either end."""
    return text[:start] + other[max(0, len(other) - (len(text) - start)) :]


CHANGES: Sequence[Change] = (put_in, replace, take_out, double, cut_off, splice)


def for_seconds(strategy: st.SearchStrategy[str], examine: Callable[[str], object], seconds: float = SECONDS) -> int:
    """Examine texts that are drawn until the time is over; return how many there were.

    What fails is made as short as it fails, and raised with the seed that it was drawn from.
    """
    until = time.monotonic() + seconds
    drawn = 0

    def counted(text: str) -> None:
        nonlocal drawn
        if not drawn or time.monotonic() < until:
            drawn += 1
            examine(text)

    for number in count(SEED):
        one = settings(
            max_examples=100,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        seed(number)(one(given(strategy)(counted)))()
        if time.monotonic() > until:
            return drawn
    raise AssertionError

"""Durations on the command line: a number with s, m, h or d behind it, or without, in the unit of the option."""

import re
from collections.abc import Callable

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([smhd]?)")


CENTURY_SECONDS = 100 * 366 * 86_400
"""The longest time that an option takes: more of it is a slip, and no database takes any number."""


def duration(unit: str, most: float = CENTURY_SECONDS, *, parts: bool = False) -> Callable[[str | float], float]:
    """Return the type of an option that takes a duration; the command gets seconds.

    `unit` is the suffix that a number without one stands for, and `most` the longest duration, in seconds. `parts` says
    that parts of a second may be given, and then some time has to be.
    """

    def duration(given: str | float) -> float:
        if not isinstance(given, str):  # a default, in the unit of the option
            return given * _SECONDS[unit]
        found = _DURATION.fullmatch(given.strip())
        if found is None:
            raise click.BadParameter(f"{given!r} is no duration such as 90s, 5m, 1h or 7d.")
        seconds = float(found[1]) * _SECONDS[found[2] or unit]
        if not parts and seconds % 1:
            raise click.BadParameter(f"{given!r} is no whole number of seconds.")
        if seconds > most or (parts and not seconds):
            least = "more than 0 and " if parts else ""
            raise click.BadParameter(f"{given!r} should be {least}at most {in_words(most)}.")
        return seconds

    return duration


def in_words(seconds: float) -> str:
    """Return a duration as it is typed, in the greatest unit that it is a whole number of."""
    unit = next((unit for unit in "dhm" if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds / _SECONDS[unit]:g}{unit}"

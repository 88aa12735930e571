"""Durations on the command line: a number with s, m, h or d behind it, or without, in the unit of the option."""

import re

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([smhd]?)")


class Duration(click.ParamType[float]):
    """The type of an option that takes a duration; the command gets seconds.

    `unit` is the suffix that a number without one stands for, and `most` the longest duration, in seconds. `parts` says
    that parts of a second may be given, and then some time has to be.
    """

    name = "duration"

    def __init__(self, unit: str, most: float, *, parts: bool = False) -> None:
        self._unit = unit
        self._most = most
        self._parts = parts

    def convert(self, value: object, parameter: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, int | float):  # a default, in the unit of the option
            return value * _SECONDS[self._unit]
        found = _DURATION.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no duration such as 90s, 5m, 1h or 7d.", parameter, context)
        seconds = float(found[1]) * _SECONDS[found[2] or self._unit]
        if not self._parts and seconds % 1:
            self.fail(f"{value!r} is no whole number of seconds.", parameter, context)
        if seconds > self._most or (self._parts and not seconds):
            least = "more than 0 and " if self._parts else ""
            self.fail(f"{value!r} should be {least}at most {in_words(self._most)}.", parameter, context)
        return seconds


def in_words(seconds: float) -> str:
    """Return a duration as it is typed, in the greatest unit that it is a whole number of."""
    unit = next((unit for unit in "dhm" if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds / _SECONDS[unit]:g}{unit}"

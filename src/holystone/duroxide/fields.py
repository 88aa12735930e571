"""What the fields of the engine's records hold, and when they are written: one declaration a field."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from holystone.duroxide.compact_json import read


@dataclass(frozen=True)
class Field:
    """A field of a record: what it holds, and what the engine does where there is nothing to hold.

    `means` says in an error message what `accepts` lets pass, and `why` what is wrong with what it does not. A field
    that is not `required` has a `default`, which is written, or `left_out` where it is None.
    """

    means: str
    holds: Callable[[Any], bool]
    required: bool = True
    default: Any = None
    left_out: bool = False
    why: Callable[[Any], str | None] = lambda value: None

    def or_else(self, default: Any) -> "Field":
        """Return the field with a default."""
        return replace(self, required=False, default=default)

    @property
    def or_null(self) -> "Field":
        """The field, written as null where there is nothing to hold."""
        return self.or_else(None)

    @property
    def or_left_out(self) -> "Field":
        """The field, left out where there is nothing to hold."""
        return replace(self.or_null, left_out=True)

    def accepts(self, value: Any) -> bool:
        """Return whether the engine could read `value` in this field."""
        return self.holds(value) or (value is None and not self.required and self.default is None)


Shape = Mapping[str, Field]
"""The fields of a kind of record, in the order in which the engine writes them."""


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**64


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and [type(part) for part in pair] == [str, str] for pair in value
    )


TEXT = Field("text", lambda value: isinstance(value, str))
NUMBER = Field("a whole number from 0 to 2^64 - 1", _is_number)
PAIRS = Field("a list of pairs of text", _is_pairs)


def fault(shape: Shape, values: Mapping[str, Any]) -> str | None:
    """Return what keeps the engine from reading `values` as a record of this shape, None where nothing does.

    Fields that the shape does not know are no fault: the engine passes over them.
    """
    for name, field in shape.items():
        if name not in values:
            if field.required:
                return f"{name!r} is missing"
        elif not field.accepts(values[name]):
            why = field.why(values[name])
            return f"{name!r} should be {field.means}, and is {in_words(values[name])}" + (f": {why}" if why else "")
    return None


def completed(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` as the engine would write them: in the shape's order, with its defaults, without the left out.

    What the shape does not know comes last.
    """
    whole = {
        name: values[name] if name in values else copy.copy(field.default)
        for name, field in shape.items()
        if name in values or not field.required
    }
    written = {name: value for name, value in whole.items() if value is not None or not shape[name].left_out}
    return written | {name: value for name, value in values.items() if name not in shape}


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object that `text` holds; ValueError with the rest of a sentence where it holds none."""
    try:
        value = read(text)
    except ValueError as error:
        raise ValueError(f"cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"should be a JSON object, and is {in_words(value)}")
    return value


def in_words(value: Any) -> str:
    """Return what kind of JSON value this is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() if value < 0 or value >= 2**64:
            return "a number beyond that"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"

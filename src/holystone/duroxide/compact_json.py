"""JSON as the engine writes it, to the letter.

That is serde_json's compact form: no spaces, fields in the order of their declaration, text as it is but for
quotation marks, backslashes and the characters below 0x20. What serde_json would not read is no JSON here
either: NaN, a number beyond its range, a field twice, half of a surrogate pair, more than 127 values inside each other.
"""

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from math import isinf
from typing import Any, NoReturn, Self


class _Decimal(float):
    """A number with a fraction, which is written as it was read: printers of such numbers differ."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def read(text: str) -> Any:
    """Return the value that `text` holds; ValueError, in a few words, where it is not JSON."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg[0].lower() + error.msg[1:]
        raise ValueError(f"{reason} at character {error.pos}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("[") + text.count("{") > DEEPEST and depth(value) > DEEPEST:
        raise ValueError(_TOO_DEEP)
    return value


def depth(value: Any) -> int:
    """Return how many lists and objects are inside each other at most."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, list | dict)]:
        deepest += 1
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
    return deepest


def write(value: Any) -> str:
    """Return `value` as the engine would write it; ValueError, in a few words, where JSON cannot hold it."""
    require_writable(value)
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts)


def require_writable(value: Any) -> None:
    """Raise ValueError, in a few words, where JSON cannot hold `value`; makes no copy of what it holds."""
    try:
        _require_writable(value)
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except TypeError as error:
        raise ValueError(str(error)) from None


DEEPEST = 127
"""Lists and objects inside each other that serde_json reads at most."""
_TOO_DEEP = "it is nested too deep"


def _require_writable(value: Any) -> None:
    kind = type(value)
    if kind is dict:
        for pair in value.items():
            for one in pair:
                # What most fields hold is seen here, without a call for each.
                if one is not None and type(one) is not int and not (type(one) is str and one.isascii()):
                    _require_writable(one)
    elif kind is str:
        if not value.isascii():
            for start in range(0, len(value), _PIECE):
                value[start : start + _PIECE].encode()
    elif isinstance(value, Mapping):
        for name, one in value.items():
            _require_writable(name)
            _require_writable(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _require_writable(one)
    elif value is not None and kind is not int and not isinstance(value, _Decimal):
        _SCALARS.encode(value).encode()


def _write(value: Any, add: Callable[[str], None]) -> None:
    """Add the parts of what the engine would write, of which a long text is one."""
    if type(value) is str:
        add(encode_basestring(value))
    elif isinstance(value, Mapping):
        before = "{"
        for name, one in value.items():
            add(before)
            _write(name, add)
            add(":")
            _write(one, add)
            before = ","
        add("}" if value else "{}")
    elif isinstance(value, list | tuple):
        before = "["
        for one in value:
            add(before)
            _write(one, add)
            before = ","
        add("]" if value else "[]")
    elif isinstance(value, _Decimal):
        add(value.text)
    else:
        add("null" if value is None else repr(value) if type(value) is int else _SCALARS.encode(value))


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has {twice!r} twice")
    return fields


def _fraction(text: str) -> _Decimal:
    number = _Decimal(text)
    if isinf(number):
        raise ValueError("it has a number beyond every range")
    return number


def _integer(text: str) -> int | _Decimal:
    """Return the number; serde_json takes what no 64 bits hold, and a negative zero, for a number with a fraction."""
    if text == "-0" or len(text) > _LONGEST:
        return _fraction(text)
    return int(text)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


_PIECE = 1024 * 1024
"""Characters of a text that are looked at a time."""
_LONGEST = 40
"""Digits of a number that surely is beyond 64 bits."""
_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_doubles, parse_float=_fraction, parse_int=_integer, parse_constant=_no_number
)
# Escapes exactly what serde_json does, and in the same way.
_SCALARS = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

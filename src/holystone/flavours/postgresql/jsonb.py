"""JSON as PostgreSQL's JSONB takes it and gives it back.

The engine's function casts what it fetches for a turn to JSONB, and the engine reads what that prints: of a field that
stands there twice the last, and of a number what it amounts to. Neither is written by any engine.
"""

import json
from decimal import Decimal
from typing import Any, NoReturn

from holystone.duroxide.compact_json import DEEPEST, depth, write

# Numbers beyond it print with more digits than the engine can read; JSONB itself goes up to 131,072 of them.
_MOST_DIGITS = 309


def printed(text: str) -> str:
    """Return what the engine gets of a text, without spaces; ValueError, in a few words, where that is nothing."""
    try:
        value = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)
        said = write(value)
    except (ValueError, RecursionError):
        raise ValueError("no JSONB can hold it") from None
    if "\\u0000" in said.replace("\\\\", ""):
        raise ValueError("it holds a NUL, which no JSONB can")
    # The engine gets all messages of an instance, or all its events, in one list.
    if depth(value) >= DEEPEST:
        raise ValueError("it is nested too deep")
    return said


def _number(text: str) -> Any:
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() >= _MOST_DIGITS:
        raise ValueError("it has a number beyond every range")
    return int(number) if exponent >= 0 else float(number)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")

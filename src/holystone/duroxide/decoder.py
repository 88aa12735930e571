"""Events read many at a time, as long as they are to the letter what the engine writes.

Reading an event with `Event.from_json` says what is wrong with it, and takes twenty times as long: this says of a whole
history, by one call into a compiled library, that nothing is.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType, ValidationError, defstruct, field
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.event import COMMON, EVENT_SHAPES
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT, Field

# The greatest number of the engine's is beyond this, but no column takes it.
_NUMBER = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_HOLDS: Mapping[str, Any] = {
    TEXT.means: str,
    NUMBER.means: _NUMBER,
    PAIRS.means: list[tuple[str, str]],
    # What is in them is for whoever reads them to test: few events have any.
    DETAILS.means: dict[str, Any],
}


def _declared(name: str, of: Field) -> tuple[str, Any] | tuple[str, Any, Any]:
    holds = _HOLDS[of.means]
    if of.required:
        return name, holds
    return name, (holds | None if of.accepts(None) else holds) | UnsetType, field(default=UNSET)


EVENT_STRUCTS: Mapping[str, type[Struct]] = {
    kind: defstruct(
        kind,
        [_declared(name, of) for name, of in {**COMMON, **shape}.items() if name != "type"],
        tag_field="type",
        tag=kind,
        kw_only=True,
        gc=False,
    )
    for kind, shape in EVENT_SHAPES.items()
}
"""Type of an event -> the struct of its events, whose fields are `UNSET` where they are left out."""

_PIECE = 1024 * 1024
"""Characters of a text that are written at a time, so that a long one is not held once more."""

_ANY = reduce(or_, EVENT_STRUCTS.values())
_read_one = Decoder(_ANY).decode
_read = Decoder(_ANY).decode_lines
_read_or_null = Decoder(_ANY | None).decode_lines
_write = Encoder().encode


def read_lines(text: Any, *, with_null: bool = False) -> Sequence[Any] | None:
    """Return the events of a text that has one in each line, None unless all are surely as the engine writes them.

    The text may be bytes in UTF-8; what is neither holds none. With `with_null`, a line may be `null` instead: None.

    The engine writes no line ends and nothing that could be left out, so each event fills a line and is as long as what
    it says, written once more: no field stands there twice, none is unknown, and no line holds more than one event, or
    half of one.
    """
    if not isinstance(text, (str, bytes)):
        return None
    try:
        data = text if isinstance(text, bytes) else text.encode()
        del text  # which can be as long as a database takes one; so can `data`
        events = _read_or_null(data) if with_null else _read(data)
    except (UnicodeError, DecodeError, ValidationError, RecursionError):
        return None
    length = len(data)
    del data
    # Written as a list, they have a comma where the text has a line end, and two brackets.
    written = len(_write(events)) if length < _PIECE else _length_written(events)
    return events if written == length + len("[]") else None


def _length_written(events: Sequence[Any]) -> int:
    """Return how long events are, written as a list; the longest texts are written piece by piece."""
    length = 0
    short: list[Any] = []
    for event in events:
        if event is None:
            short.append(event)
            continue
        texts = ((name, getattr(event, name)) for name in event.__struct_fields__)
        long = {name: text for name, text in texts if isinstance(text, str) and len(text) > _PIECE}
        pieces = (text[start : start + _PIECE] for text in long.values() for start in range(0, len(text), _PIECE))
        length += sum(len(_write(piece)) - len('""') for piece in pieces)
        short.append(replace(event, **dict.fromkeys(long, "")) if long else event)
    return length + len(_write(short))


def read_each(texts: Sequence[str]) -> Sequence[Any] | None:
    """Return the event in each of some texts, None unless each is surely one as the engine writes it."""
    try:
        length = _bytes("".join(texts))
        events = list(map(_read_one, texts))
    except (TypeError, UnicodeError, DecodeError, ValidationError, RecursionError):
        return None
    # Written as a list, they have commas between them, and two brackets.
    return events if len(_write(events)) == length + len(events) + 1 else None


def read_alone(text: Any) -> Any | None:
    """Return the event in a text, which can be as long as a database takes one; None unless the engine writes it so."""
    events = read_lines(text)
    return events[0] if events is not None and len(events) == 1 else None


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())

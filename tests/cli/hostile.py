"""Documents with anything at all at any place in them, and what a command may make of such a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from .helpers import Result

VALUES = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "minus one": "-1",
    "half": "1.5",
    "number beyond 32 bits": "4294967296",
    "number beyond 64 bits": "9223372036854775808",
    "number without end": "1e999",
    "number of 400 digits": "9" * 400,
    "number of 5,000 digits": "9" * 5_000,
    "no number": "NaN",
    "infinity": "-Infinity",
    "no text": '""',
    "text": '"x"',
    "text of a number": '"1"',
    "half of a surrogate": r'"\ud800"',
    "stray byte": r'"\udcff"',
    "NUL": r'"\u0000"',
    "control sequence": r'"\u001b[31m\u009b1m\u0007\r\u202e\u2028"',
    "braces": '"{0} {x!r} %s %(x)s :x"',
    "a megabyte": '"' + "x" * 1_000_000 + '"',
    "no list": "[]",
    "list": '[1, "x", null]',
    "deep list": "[" * 10_000 + "]" * 10_000,
    "no object": "{}",
    "object": '{"x": {"y": [null]}}',
    "deep object": '{"x":' * 10_000 + "1" + "}" * 10_000,
    "bytes": '{"hex": "ff00"}',
    "no bytes": '{"hex": "f"}',
    "safe": '"safe"',
    "unsafe": '"unsafe"',
    "stray text": '{"text_hex": "ff61"}',
    "real": '{"real": "inf"}',
    "strange real": '{"real": "-inf", "x": 1}',
}
"""What may stand at any place of a JSON document, as it is written there."""
PLACE = "put it here"

Way = tuple[str | int, ...]
Edit = Callable[[Any, Way], str]
"""Takes a document and the way to a place in it, and returns the text of the document with another thing there."""


def ways(document: Any, way: Way = ()) -> Iterator[Way]:
    """Yield the way to each place in a document, the document itself first."""
    yield way
    if isinstance(document, dict):
        for name, part in document.items():
            yield from ways(part, (*way, name))
    elif isinstance(document, list):
        for number, part in enumerate(document):
            yield from ways(part, (*way, number))


def parent(document: Any, way: Way) -> Any:
    for step in way[:-1]:
        document = document[step]
    return document


def put(raw: str) -> Edit:
    def edit(document: Any, way: Way) -> str:
        if not way:
            return raw
        parent(document, way)[way[-1]] = PLACE
        return json.dumps(document).replace(json.dumps(PLACE), raw)

    return edit


def remove(document: Any, way: Way) -> str:
    if way:
        del parent(document, way)[way[-1]]
    return json.dumps(document) if way else ""


def add(document: Any, way: Way) -> str:
    whole = {"": document}
    here = parent(whole, ("", *way, ""))
    if isinstance(here, dict):
        here["\x1b[2J"] = "added"
    elif isinstance(here, list):
        here.append("added")
    return json.dumps(whole[""])


def rename(document: Any, way: Way) -> str:
    if way and isinstance(way[-1], str):
        here = parent(document, way)
        here[way[-1].upper()] = here.pop(way[-1])
    return json.dumps(document)


def double(document: Any, way: Way) -> str:
    """A key that stands twice, the second with another value: which of them counts, no two readers agree on."""
    if not way or not isinstance(way[-1], str):
        return json.dumps(document)
    parent(document, way)[PLACE] = "a second one"
    return json.dumps(document).replace(json.dumps(PLACE), json.dumps(way[-1]))


EDITS: dict[str, Edit] = {
    **{name: put(raw) for name, raw in VALUES.items()},
    "removed": remove,
    "added": add,
    "renamed": rename,
    "doubled": double,
}


def edited(text: str) -> Iterator[tuple[str, Way, str]]:
    """Yield the document with each edit at each place: the name of the edit, the way to the place, the text."""
    for way in ways(json.loads(text)):
        for name, edit in EDITS.items():
            yield name, way, edit(json.loads(text), way)


def why_wrong(result: Result) -> str | None:
    """Return what is wrong with the end of a command that was given such a file, None where all is well."""
    said = result.out + result.err
    if "fault of holystone" in said or "Traceback" in said:
        return said[-300:]
    if wild := {c for c in said if not c.isprintable() and c != "\n"}:
        return f"it prints {wild}"
    if result.status not in (0, 1, 2):
        return f"it ends in {result.status}"
    if result.status == 2 and len(result.err.splitlines()) != 2:
        return f"it says {result.err[:300]}"
    return None if len(said) < 20_000 else f"it prints {len(said)} characters"

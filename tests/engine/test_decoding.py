"""The engine itself judges which events it can read, and holystone's reader agrees with it, value by value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.event import COMMON, EVENT_SHAPES
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT
from holystone.errors import RecordError
from holystone.store import Event

INSTANCE = "read-me"
VERSION = "0.1.32"
DETAILS_OF_EACH_KIND: dict[str, Any] = {
    "infrastructure": {"Infrastructure": {"operation": "ack", "message": "locked", "retryable": True}},
    "nondeterminism": {"Configuration": {"kind": "Nondeterminism", "resource": "r", "message": None}},
    "unregistered": {"Configuration": {"kind": "UnregisteredActivity", "resource": "r", "message": None}},
    "no-version": {
        "Configuration": {"kind": {"MissingVersion": {"requested_version": "2"}}, "resource": "r", "message": None}
    },
    "failed": {"Application": {"kind": "OrchestrationFailed", "message": "m", "retryable": False}},
    "panicked": {"Application": {"kind": "Panicked", "message": "m", "retryable": False}},
    "cancelled": {"Application": {"kind": {"Cancelled": {"reason": "why"}}, "message": "m", "retryable": False}},
    "poison": {
        "Poison": {
            "attempt_count": 11,
            "max_attempts": 10,
            "message_type": {"Orchestration": {"instance": "i", "execution_id": 1}},
            "message": "m",
        }
    },
    "poisoned-activity": {
        "Poison": {
            "attempt_count": 11,
            "max_attempts": 10,
            "message_type": {"Activity": {"instance": "i", "execution_id": 1, "activity_name": "a", "activity_id": 2}},
            "message": "m",
        }
    },
    "poisoned-history": {
        "Poison": {
            "attempt_count": 11,
            "max_attempts": 10,
            "message_type": {"FailedDeserialization": {"instance": "i", "execution_id": 1, "error": "e"}},
            "message": "m",
        }
    },
}
SAMPLES: dict[str, Any] = {
    TEXT.means: "text",
    NUMBER.means: 7,
    PAIRS.means: [["name", "data"]],
    DETAILS.means: DETAILS_OF_EACH_KIND["failed"],
}
ODD_VALUES = ("null", "-1", "-0", "0", "1.0", "1e2", str(2**63), str(2**64), '"7"', '""', "true", "[]", "{}", '["a"]')
"""What JSON can hold in the place of any value."""
ODD_TEXTS = {
    "a lone surrogate": "\\ud800",
    "the second half of a pair": "\\udc00",
    "a pair": "\\ud83d\\ude00",
    "an escaped NUL": "\\u0000",
    "a line end": "\n",
    "a control character": "\x01",
    "an unknown escape": "\\x",
    "DEL": "\x7f",
    "an unpaired end": "\\",
}
"""What may stand between the quotation marks of a text."""


def event(kind: str, **payload: Any) -> dict[str, Any]:
    """An event of a kind, with a value in each of its fields."""
    shape = EVENT_SHAPES.get(kind, {})
    return {
        "event_id": 2,
        "source_event_id": None,
        "instance_id": INSTANCE,
        "execution_id": 1,
        "timestamp_ms": 1_760_000_000_000,
        "duroxide_version": VERSION,
        "type": kind,
        **{name: SAMPLES[field.means] for name, field in shape.items()},
        **payload,
    }


def with_value(value: Any, path: list[str], text: str | None) -> str:
    """The JSON of a value, with `text` in the place that a path names; without that place where it is None."""
    if not path:
        assert text is not None
        return text
    parts = []
    for name, one in value.items():
        if name != path[0]:
            parts.append(f"{json.dumps(name)}:{json.dumps(one)}")
        elif text is not None or len(path) > 1:
            parts.append(f"{json.dumps(name)}:{with_value(one, path[1:], text)}")
    return "{" + ",".join(parts) + "}"


def places(value: Any, above: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """The path of each value inside an object, at whatever depth."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield [*above, name]
            yield from places(one, (*above, name))


def doubled(value: Any, path: list[str]) -> str:
    """The JSON of a value, with the field of a path twice."""
    name, *below = path
    once = [f"{json.dumps(key)}:{json.dumps(one)}" for key, one in value.items() if key != name or not below]
    if below:
        return "{" + ",".join([*once, f"{json.dumps(name)}:{doubled(value[name], below)}"]) + "}"
    return "{" + ",".join([*once, f"{json.dumps(name)}:{json.dumps(value[name])}"]) + "}"


def damages_of(fields: dict[str, Any]) -> Iterator[str]:
    for path in places(fields):
        yield with_value(fields, path, None)
        yield doubled(fields, path)
        yield from (with_value(fields, path, text) for text in ODD_VALUES)


def damages() -> Iterator[str]:
    """Texts of events, sound and damaged, of every kind and in every field."""
    for kind in EVENT_SHAPES:
        yield json.dumps(event(kind))
        yield from damages_of(event(kind))
    for details in DETAILS_OF_EACH_KIND.values():
        failed = event("OrchestrationFailed", details=details)
        yield json.dumps(failed)
        yield from (with_value(failed, path, text) for path in places(failed) if len(path) > 1 for text in ODD_VALUES)
        yield from (with_value(failed, path, None) for path in places(failed) if len(path) > 1)
    whole = event("OrchestrationCompleted")
    yield from (with_value(whole, ["output"], f'"{text}"') for text in ODD_TEXTS.values())
    for nested in (125, 126, 127, 128):
        yield with_value({**whole, "more": 1}, ["more"], "[" * nested + "]" * nested)
        yield with_value({**whole, "more": 1}, ["more"], '{"a":' * nested + "1" + "}" * nested)
    for number in ("1e400", "-1e400", "1" * 400, "NaN", "Infinity", "01", ".5", "1."):
        yield with_value({**whole, "more": 1}, ["more"], number)
    text = json.dumps(whole)
    yield from (
        text + "}",
        text + " ",
        " " + text,
        "\ufeff" + text,
        text[:-1],
        "",
        "{}",
        "[]",
        "null",
        '"x"',
        f"[{text}]",
    )
    cancelled = {"Application": {"kind": {"Cancelled": ["why"]}, "message": "m", "retryable": False}}
    yield json.dumps(event("OrchestrationFailed", details=cancelled))
    yield json.dumps(event("SystemCall", op="guid", value="1"))
    yield json.dumps(event("SomethingNew", more=1))
    yield json.dumps(event("OrchestrationFailed", details={"SomethingNew": {"message": "m"}}))


def is_readable(text: str) -> bool:
    """Whether holystone takes the text for an event that the newest engine can read."""
    try:
        return Event.from_json(text).unknown is None
    except RecordError:
        return False


def is_of_no_engine(text: str) -> bool:
    """Whether the engine takes a form that none ever writes, and holystone refuses: a number for the name of a type."""
    try:
        fields = json.loads(text)
    except ValueError:
        return False
    return isinstance(fields, dict) and type(fields.get("type")) is int


def test_reader_agrees_with_the_engine(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    texts = dict(enumerate(dict.fromkeys(text for text in damages() if not is_of_no_engine(text))))
    start = json.dumps({**event("OrchestrationStarted"), "event_id": 1}, separators=(",", ":"))
    write(made, start, texts)
    said = made.admin("statuses")
    readable = {number for number in texts if said[str(number)]["status"] != "Unreadable"}
    ours = {number for number, text in texts.items() if is_readable(text)}
    assert {texts[number] for number in ours - readable} == set()
    assert {texts[number] for number in readable - ours} == set()
    assert len(texts) > 1_500
    assert 200 < len(readable) < len(texts) - 200


def write(made: EngineStore, start: str, texts: dict[int, str]) -> None:
    """Write an instance for each text, with a start and then the event of that text."""
    instances = [(str(number), "Any", "1.0.0", 1) for number in texts]
    columns = "instance_id, orchestration_name, orchestration_version, current_execution_id, created_at, updated_at"
    insert(made, f"instances ({columns})", instances, moments=2)
    executions = [(str(number), 1, "Running") for number in texts]
    insert(made, "executions (instance_id, execution_id, status, started_at)", executions)
    events = [
        (str(number), 1, event_id, "Event", data)
        for number, text in texts.items()
        for event_id, data in enumerate((start, text), 1)
    ]
    insert(made, "history (instance_id, execution_id, event_id, event_type, event_data, created_at)", events)


def insert(made: EngineStore, into: str, rows: Sequence[tuple[Any, ...]], moments: int = 1) -> None:
    """Insert many rows with few statements; so many of the last columns are the time of now."""
    for start in range(0, len(rows), 1_000):
        some = rows[start : start + 1_000]
        row = f"({', '.join(['?'] * len(some[0]) + ['CURRENT_TIMESTAMP'] * moments)})"
        made.execute(f"INSERT INTO {into} VALUES {', '.join([row] * len(some))}", *(v for one in some for v in one))


def test_damages_reach_every_field() -> None:
    """Each field of each kind of event is damaged, and so is each field of the details of each kind of failure."""
    texts = list(damages())
    for kind, shape in EVENT_SHAPES.items():
        sound = event(kind)
        for name in (*COMMON, *shape):
            assert with_value(sound, [name], None) in texts

"""Whatever the engine can write of an event is read at once, and nothing else is."""

from __future__ import annotations

import pytest

from holystone.duroxide.decoder import read_lines
from holystone.duroxide.event_types import EVENT_TYPES
from scan.test_event_suspects import whole

KINDS = sorted(EVENT_TYPES)
ONE, OTHER = (whole("TimerCreated", event_id).to_json() for event_id in (1, 2))


@pytest.mark.parametrize("full", [False, True], ids=["least", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_event_of_the_engine_is_read(kind: str, full: bool) -> None:
    text = whole(kind, 1, full=full).to_json()
    for texts in (text, f"{ONE}\n{text}\n{OTHER}"):
        events = read_lines(texts)
        assert events is not None
        assert kind in [type(event).__name__ for event in events]


@pytest.mark.parametrize("thing", [None, b"{}", 1])
def test_what_is_no_text_holds_no_event(thing: object) -> None:
    assert read_lines(thing) is None


@pytest.mark.parametrize(
    "texts",
    [
        f"{ONE}{OTHER}",
        f"{ONE} \n{OTHER}",
        f"{ONE}\n\n{OTHER}",
        f"{ONE}\n",
        ONE.replace("{", '{"a":1,', 1),
        ONE.replace("{", '{"event_id":1,', 1),
        ONE.replace("1", "1.0", 1),
        ONE.replace("1", "-1", 1),
        ONE.replace("null", "true", 1),
        ONE.replace('"i"', '"\ud800"', 1),
        ONE.replace('"i"', '"\\ud83e"', 1),
        ONE.replace('"i"', '"\\u0069"', 1),
        ONE.replace("TimerCreated", "TimerMade"),
        "[" * 100_000,
    ],
)
def test_anything_else_is_not(texts: str) -> None:
    assert read_lines(texts) is None

"""Events and messages with changes at random: holystone reads what the engine reads, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import strategies as st

from conftest import ENGINES, MakeStore
from engine import test_decoding, test_decoding_messages
from engine.test_decoding import DETAILS_OF_EACH_KIND, event
from engine.test_decoding_messages import message
from holystone.duroxide.event import EVENT_SHAPES
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from mutations import SECONDS, for_seconds, mutated, read

pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS + 600)]

EVENTS = [
    *(json.dumps(event(kind), separators=(",", ":")) for kind in EVENT_SHAPES),
    *(json.dumps(event("OrchestrationFailed", details=details)) for details in DETAILS_OF_EACH_KIND.values()),
    *read("events"),
]
MESSAGES = [
    *(json.dumps(message(kind), separators=(",", ":")) for kind in WORK_ITEM_SHAPES),
    *(json.dumps(message("SubOrchFailed", details=details)) for details in DETAILS_OF_EACH_KIND.values()),
    *read("messages"),
]
AT_ONCE = 300
"""Texts that the engine judges at once: to open a store takes it longer than to read them."""


def batches(samples: list[str]) -> st.SearchStrategy[str]:
    """Many texts as one, so that what is drawn is one thing to be made shorter."""
    return st.lists(mutated(samples), min_size=1, max_size=AT_ONCE).map(json.dumps)


def storable(texts: str) -> list[str]:
    """Those of the texts that a database can hold."""
    return [text for text in json.loads(texts) if "\0" not in text and _is_unicode(text)]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_events_are_read_as_the_engine_reads_them(engine_store: MakeStore) -> None:
    start = json.dumps({**event("OrchestrationStarted"), "event_id": 1}, separators=(",", ":"))

    def examine(batch: str) -> None:
        texts = dict(enumerate(one for one in storable(batch) if not test_decoding.is_of_no_engine(one)))
        if not texts:
            return
        made = engine_store(ENGINES[-1], "sqlite", ())
        test_decoding.write(made, start, texts)
        said = made.admin("statuses")
        theirs = {number: said[str(number)]["status"] != "Unreadable" for number in texts}
        ours = {number: test_decoding.is_readable(text) for number, text in texts.items()}
        assert {texts[number] for number in texts if ours[number] != theirs[number]} == set()

    assert for_seconds(batches(EVENTS), examine) > 0


def test_messages_are_read_as_the_engine_reads_them(engine_store: MakeStore) -> None:
    def examine(batch: str) -> None:
        texts = dict(enumerate(dict.fromkeys(storable(batch))))
        texts = {n: text for n, text in texts.items() if not test_decoding_messages.is_of_no_engine(text)}
        if not texts:
            return
        made = engine_store(ENGINES[-1], "sqlite", ())
        theirs = test_decoding_messages.judged(made, texts)
        ours = {number for number, text in texts.items() if test_decoding_messages.is_readable(text, "sqlite")}
        assert {texts[number] for number in ours ^ theirs.keys()} == set()

    assert for_seconds(batches(MESSAGES), examine) > 0

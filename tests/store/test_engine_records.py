"""Event and WorkItem agree with the engine on every row that it wrote."""

from __future__ import annotations

import json

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.duroxide.event import COMMON, EVENT_SHAPES
from holystone.duroxide.fields import Shape
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from holystone.errors import RecordError
from holystone.store import Event, WorkItem

# Every character that any writer of JSON might escape, but NUL, which no argument of a command can hold.
AWKWARD = "".join(map(chr, [*range(1, 0x100), 0x2028, 0x2029, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F9FD, 0x10FFFF]))

MANY_MESSAGES = "cancelled,chains,completed,failed,parents,parent-of-failures,queue-carried,routed,timers,waiting"
"""Scenarios in which every kind of message passes through the queues, with every field that it can have."""

QUEUES = ("orchestrator_queue", "worker_queue")


@pytest.fixture
def store(engine_version: str, flavour: Flavour, engine_store: MakeStore) -> EngineStore:
    """The whole default workload, for each version of the engine and each flavour."""
    return engine_store(engine_version, flavour)


def event_texts(store: EngineStore) -> list[str]:
    return [data for (data,) in store.execute("SELECT event_data FROM history")]


def item_texts(store: EngineStore) -> list[str]:
    return [item for queue in QUEUES for (item,) in store.execute(f"SELECT work_item FROM {queue}")]


def as_a_caller_gives_it(shape: Shape, fields: dict[str, object]) -> dict[str, object]:
    """Fields in no order of the engine's, and with None for those that it left out."""
    left_out = {name: None for name, field in shape.items() if field.left_out}
    return dict(reversed((left_out | fields).items()))


def anew(item: WorkItem) -> WorkItem:
    return WorkItem.new(item.kind, **as_a_caller_gives_it(WORK_ITEM_SHAPES[item.kind], dict(item.fields)))


def test_every_event_comes_back_to_the_letter(store: EngineStore) -> None:
    texts = event_texts(store)
    assert len(texts) > 500
    assert [Event.from_json(text).to_json() for text in texts] == texts


def test_every_event_can_be_made_anew(store: EngineStore) -> None:
    made = set()
    for text in event_texts(store):
        read = Event.from_json(text)
        payload = as_a_caller_gives_it(EVENT_SHAPES[read.type], dict(read.payload))
        new = Event.new(
            read.type,
            event_id=read.event_id,
            instance_id=read.instance_id,
            execution_id=read.execution_id,
            timestamp_ms=read.timestamp_ms,
            duroxide_version=read.duroxide_version,
            source_event_id=read.source_event_id,
            **payload,
        )
        assert (new.to_json(), new) == (text, read)
        made |= {(read.type, name) for name in [*COMMON, *read.payload]}
    assert made == {(type, name) for type, shape in EVENT_SHAPES.items() for name in [*COMMON, *shape]}


def test_events_agree_with_their_rows(store: EngineStore) -> None:
    for *key, text in store.execute("SELECT instance_id, execution_id, event_id, event_data FROM history"):
        event = Event.from_json(text)
        assert [event.instance_id, event.execution_id, event.event_id] == key


def test_every_message_comes_back(store: EngineStore) -> None:
    texts = item_texts(store)
    assert len(texts) > 20
    for text in texts:
        written = WorkItem.from_json(text).to_json()
        # The server of a PostgreSQL store printed the JSON anew.
        assert written == text if store.flavour == "sqlite" else json.loads(written) == json.loads(text)


def test_every_message_can_be_made_anew(store: EngineStore) -> None:
    for text in item_texts(store):
        read = WorkItem.from_json(text)
        new = anew(read)
        assert new == read
        if store.flavour == "sqlite":
            assert new.to_json() == text


def test_every_kind_of_message_that_passes_can_be_made_anew(engine_version: str, engine_store: MakeStore) -> None:
    """Most messages are gone when the engine rests, so triggers keep a copy of each; on SQLite, to the letter."""
    store = engine_store(engine_version, "sqlite", ())
    store.execute("CREATE TABLE passed (work_item TEXT)")
    for queue in QUEUES:
        copy = "INSERT INTO passed VALUES (new.work_item)"
        store.execute(f"CREATE TRIGGER copy_{queue} AFTER INSERT ON {queue} BEGIN {copy}; END")
    store.run("workload", "--only", MANY_MESSAGES)
    made = set()
    for (text,) in store.execute("SELECT work_item FROM passed"):
        read = WorkItem.from_json(text)
        assert read.to_json() == text
        assert anew(read).to_json() == text
        made |= {(read.kind, name) for name in read.fields}
    assert made == {(kind, name) for kind, shape in WORK_ITEM_SHAPES.items() for name in shape}


def test_messages_are_in_the_queue_and_of_the_instance_that_they_say(store: EngineStore) -> None:
    for instance, text in store.execute("SELECT instance_id, work_item FROM orchestrator_queue"):
        item = WorkItem.from_json(text)
        assert (item.instance_id, item.is_for_worker) == (instance, False)
    for (text,) in store.execute("SELECT work_item FROM worker_queue"):
        item = WorkItem.from_json(text)
        assert item.instance_id is not None
        assert item.is_for_worker


@pytest.mark.parametrize("scenario", ["poisoned", "halted", "infrastructure"])
def test_histories_that_went_wrong(
    engine_version: str, flavour: Flavour, scenario: str, engine_store: MakeStore
) -> None:
    """Among them a type of a later engine, a text that is no JSON, every form of poison, and on SQLite a raw NUL."""
    unreadable = 0
    for text in event_texts(engine_store(engine_version, flavour, [scenario])):
        if text == "not JSON":
            unreadable += 1
            with pytest.raises(RecordError):
                Event.from_json(text)
        else:
            assert Event.from_json(text).to_json() == text
    assert unreadable == (scenario == "halted" and flavour == "postgresql")


def test_text_is_escaped_as_the_engine_does(engine_version: str, engine_store: MakeStore) -> None:
    store = engine_store(engine_version, "sqlite", ())
    store.run("cancel", "--", AWKWARD, AWKWARD)
    assert item_texts(store) == [WorkItem.new("CancelInstance", instance=AWKWARD, reason=AWKWARD).to_json()]


def test_nul_is_escaped_as_the_engine_does(engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], "sqlite", ["infrastructure"])
    values = [Event.from_json(text).payload.get("value") for text in event_texts(store)]
    assert "a\0b" in values

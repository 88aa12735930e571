"""The engine itself judges which messages it can read, and holystone's reader agrees with it, value by value.

A message that was fetched too often ends its instance, and the engine writes into the event of that end which messages
it had read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_decoding import (
    DETAILS_OF_EACH_KIND,
    ODD_TEXTS,
    ODD_VALUES,
    SAMPLES,
    damages_of,
    event,
    insert,
    places,
    with_value,
)
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from holystone.errors import RecordError
from holystone.flavours.postgresql.messages import PostgreSQLMessages
from holystone.flavours.sqlite.messages import SQLiteMessages

TOO_OFTEN = 99
"""Attempts beyond the engine's limit."""


def message(kind: str, **fields: Any) -> dict[str, Any]:
    """A message of a kind, with a value in each of its fields."""
    return {kind: {**{name: SAMPLES[field.means] for name, field in WORK_ITEM_SHAPES[kind].items()}, **fields}}


def damages() -> Iterator[str]:
    """Texts of messages, sound and damaged, of every kind and in every field."""
    for kind in WORK_ITEM_SHAPES:
        yield json.dumps(message(kind))
        yield from damages_of(message(kind))
        yield json.dumps({kind: list(message(kind)[kind].values())})
    for details in DETAILS_OF_EACH_KIND.values():
        failed = message("SubOrchFailed", details=details)
        yield json.dumps(failed)
        deep = [path for path in places(failed) if len(path) > 2]
        yield from (with_value(failed, path, text) for path in deep for text in (*ODD_VALUES, None))
    whole = message("ExternalRaised")
    yield from (with_value(whole, ["ExternalRaised", "data"], f'"{text}"') for text in ODD_TEXTS.values())
    more = message("ExternalRaised", more=1)
    for nested in (124, 125, 126, 127):
        yield with_value(more, ["ExternalRaised", "more"], "[" * nested + "]" * nested)
        yield with_value(more, ["ExternalRaised", "more"], '{"a":' * nested + "1" + "}" * nested)
    for number in ("1e400", "-1e400", "1" * 400, "NaN", "Infinity", "01", ".5", "1.", "1e2", "1.5e1", "100e-2", "-0.0"):
        yield with_value(more, ["ExternalRaised", "more"], number)
        yield with_value(message("TimerFired"), ["TimerFired", "id"], number)
    text = json.dumps(whole)
    yield from (text + "}", text + " ", " " + text, "\ufeff" + text, text[:-1], "", "{}", "[]", "null", '"x"')
    yield from (f"[{text}]", '"ExternalRaised"', '{"ExternalRaised":null}', '{"ExternalRaised":{}}')
    yield json.dumps({**whole, **message("QueueMessage")})
    yield json.dumps({"SomethingNew": {"instance": "i"}})


def is_readable(text: str, flavour: Flavour, *, for_worker: bool = False) -> bool:
    """Whether holystone takes the text for a message that the newest engine can read."""
    told = PostgreSQLMessages() if flavour == "postgresql" else SQLiteMessages()
    try:
        return told.read(text, for_worker=for_worker).unknown is None
    except RecordError:
        return False


def is_of_no_engine(text: str) -> bool:
    """Whether the text has a form that no engine ever writes, and holystone may take it otherwise than the engine.

    The fields of a message, or of a failure within it, as a list; and in a field that the engine does not know what it
    refuses elsewhere: nested too deep, or a number beyond every range.
    """
    as_list = any(text.startswith(f'{{"{kind}": [') for kind in WORK_ITEM_SHAPES) or '{"Cancelled":["a"]}' in text
    return as_list or '"more":' in text


def write(made: EngineStore, texts: dict[int, str]) -> None:
    """Write an instance for each text, which has begun, and that text as a message which was fetched too often."""
    columns = "instance_id, orchestration_name, orchestration_version, current_execution_id, created_at, updated_at"
    insert(made, f"instances ({columns})", [(str(number), "Any", "1.0.0", 1) for number in texts], moments=2)
    executions = [(str(number), 1, "Running") for number in texts]
    insert(made, "executions (instance_id, execution_id, status, started_at)", executions)
    start = json.dumps({**event("OrchestrationStarted", parent_instance=None), "event_id": 1}, separators=(",", ":"))
    events = [(str(number), 1, 1, "Event", start) for number in texts]
    insert(made, "history (instance_id, execution_id, event_id, event_type, event_data, created_at)", events)
    columns = "instance_id, work_item, attempt_count, created_at, visible_at"
    messages = [(str(number), text, TOO_OFTEN) for number, text in texts.items()]
    insert(made, f"orchestrator_queue ({columns})", messages, moments=2)
    if made.flavour == "sqlite":  # a text never comes due
        made.execute("UPDATE orchestrator_queue SET visible_at = 1")


def judged(made: EngineStore, texts: dict[int, str]) -> dict[int, Any]:
    """Let the engine fetch each message; return what it read of those that it could."""
    write(made, texts)
    for _ in range(60):
        made.run("run", "--seconds", "4")
        made.execute("DELETE FROM instance_locks")
        # One that fails its fetch would be the first of the next again; a turn may have been cut off by the end.
        made.execute("DELETE FROM orchestrator_queue WHERE attempt_count > ?", TOO_OFTEN + 1)
        if not made.execute("SELECT 1 FROM orchestrator_queue LIMIT 1"):
            break
        if made.flavour == "postgresql":
            made.execute("UPDATE orchestrator_queue SET visible_at = now() WHERE attempt_count > ?", TOO_OFTEN)
    assert made.execute("SELECT count(*) FROM orchestrator_queue") == [(0,)]
    found = made.execute("SELECT instance_id, event_data FROM history WHERE event_id > 1")
    read = {int(number): json.loads(json.loads(data)["details"]["Poison"]["message"]) for number, data in found}
    return {number: messages[0] for number, messages in read.items() if messages}


def agrees(made: EngineStore, texts: dict[int, str]) -> None:
    """Hold what the engine reads of messages in the orchestrator queue against what holystone reads."""
    read = judged(made, texts)
    ours = {number for number, text in texts.items() if is_readable(text, made.flavour)}
    assert {texts[number] for number in ours ^ read.keys() if not is_of_no_engine(texts[number])} == set()
    told = PostgreSQLMessages() if made.flavour == "postgresql" else SQLiteMessages()
    for number in ours & read.keys():
        ((kind, fields),) = read[number].items()
        item = told.read(texts[number], for_worker=False)
        as_written = {name: item.fields[name] for name in WORK_ITEM_SHAPES[kind] if name in item.fields}
        assert (kind, filled(fields)) == (item.kind, filled(as_written)), texts[number]
    assert len(ours) > 100
    assert len(ours) < len(texts) / 2


def filled(value: Any) -> Any:
    """The value without what says nothing: nulls, empty lists, and lists instead of an object's fields."""
    if not isinstance(value, dict):
        return value
    parts = {name: filled(one) for name, one in value.items() if one is not None and one != []}
    return {
        name: {"reason": one[0]} if name == "Cancelled" and isinstance(one, list) else one
        for name, one in parts.items()
    }


@pytest.mark.long
def test_reader_agrees_with_the_engine_on_sqlite(engine_store: MakeStore) -> None:
    """There both queues are read alike."""
    made = engine_store(ENGINES[-1], "sqlite", ())
    agrees(made, dict(enumerate(dict.fromkeys(damages()))))


@pytest.mark.long
def test_reader_agrees_with_the_engine_on_postgresql(engine_store: MakeStore) -> None:
    """There a text that JSONB does not take fails the statement, and so every turn, which PostgreSQL itself tells."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    every = list(dict.fromkeys(damages()))
    refused = [text for text in every if is_refused(made, text)]
    assert {text for text in refused if is_readable(text, "postgresql")} == set()
    assert any(is_readable(text, "postgresql", for_worker=True) for text in refused)
    # Each that cannot be read takes the engine a tenth of a second.
    taken = set(every) - set(refused)
    texts = [text for text in every if text in taken and is_readable(text, "postgresql")]
    texts += [text for text in every if text in taken and not is_readable(text, "postgresql")][::4]
    agrees(made, dict(enumerate(texts)))


def is_refused(made: EngineStore, text: str) -> bool:
    try:
        made.execute("SELECT ?::text::jsonb", text)
    except psycopg.DataError:
        return True
    return False


def test_damages_reach_every_field() -> None:
    texts = set(damages())
    for kind, shape in WORK_ITEM_SHAPES.items():
        assert {with_value(message(kind), [kind, name], None) for name in shape} <= texts

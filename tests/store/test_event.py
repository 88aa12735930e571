"""Event by itself: any text, newer engines, and what is no event."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.event import COMMON, EVENT_SHAPES
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT, Field
from holystone.errors import RecordError
from holystone.store import Event

ENGINE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    TEXT.means: ENGINE_TEXT,
    NUMBER.means: st.integers(0, 2**64 - 1),
    PAIRS.means: st.lists(st.tuples(ENGINE_TEXT, ENGINE_TEXT).map(list)),
    DETAILS.means: st.fixed_dictionaries(
        {
            "Application": st.fixed_dictionaries(
                {"kind": st.just("Panicked"), "message": ENGINE_TEXT, "retryable": st.booleans()}
            )
        }
    ),
}

COMMON_TEXT = (
    '{"event_id":3,"source_event_id":2,"instance_id":"order-1","execution_id":1,"timestamp_ms":1760000000000,'
    '"duroxide_version":"0.1.32",'
)
TEXT_OF_ONE = COMMON_TEXT + '"type":"ActivityCompleted","result":"ok"}'


def made(type: str = "ActivityCompleted", event_id: int = 3, instance_id: str = "order-1", **payload: Any) -> Event:
    return Event.new(
        type,
        event_id=event_id,
        source_event_id=2,
        instance_id=instance_id,
        execution_id=1,
        timestamp_ms=1_760_000_000_000,
        duroxide_version="0.1.32",
        **payload,
    )


def error(text: str) -> str:
    with pytest.raises(RecordError) as caught:
        Event.from_json(text)
    assert caught.value.next_step
    return caught.value.message


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event of any known type."""

    def value(field: Field) -> Any:
        values = VALUES[field.means]
        return draw(st.none() | values if field.accepts(None) else values)

    type = draw(st.sampled_from(sorted(EVENT_SHAPES)))
    common = {name: value(field) for name, field in COMMON.items() if name != "type"}
    return Event.new(type, **common, **{name: value(field) for name, field in EVENT_SHAPES[type].items()})


@given(event=events())
def test_any_event_comes_back(event: Event) -> None:
    text = event.to_json()
    assert Event.from_json(text) == event
    assert Event.from_json(text).to_json() == text
    assert hash(Event.from_json(text)) == hash(event)


@given(instance_id=ENGINE_TEXT, result=ENGINE_TEXT)
def test_any_text_comes_back(instance_id: str, result: str) -> None:
    event = made(instance_id=instance_id, result=result)
    again = json.loads(event.to_json())
    assert (again["instance_id"], again["result"]) == (instance_id, result)


def test_text_is_written_as_serde_json_does() -> None:
    """Its escapes: short forms where JSON has them, lower-case hexadecimals below 0x20, and nothing else."""
    event = made(result='\0\b\t\n\x0b\f\r\x1f "\\/\x7f\x80é\u2028\ufeff🧽')
    written = r"\u0000\b\t\n\u000b\f\r\u001f \"\\/" + "\x7f\x80é\u2028\ufeff🧽"
    assert event.to_json() == TEXT_OF_ONE.replace('"ok"', f'"{written}"')


def test_what_may_be_left_out() -> None:
    started = made("OrchestrationStarted", name="Order", version="1.0.0", input="{}")
    assert started.to_json().endswith(
        '"type":"OrchestrationStarted","name":"Order","version":"1.0.0","input":"{}",'
        '"parent_instance":null,"parent_id":null}'
    )
    assert made("CustomStatusUpdated").payload == {"status": None}
    assert made("KeyValueSet", key="k", value="v").payload["last_updated_at_ms"] == 0
    assert made("KeyValuesCleared").to_json().endswith('"type":"KeyValuesCleared"}')


def test_older_engines_left_out_more() -> None:
    text = COMMON_TEXT + '"type":"KeyValueSet","key":"k","value":"v"}'
    assert Event.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "text",
    [
        COMMON_TEXT + '"type":"ExternalEvent2","name":"n","topic":"t","data":"d"}',
        COMMON_TEXT
        + '"type":"Later","deep":{"b":[1.50,1e16,1E-7,-0.0,-1,true,null,123456789012345678901234567890],"a":{}}}',
        TEXT_OF_ONE.replace('"result"', '"cost":1.0,"result"').replace("}", ',"z":[]}'),
        TEXT_OF_ONE.replace('"type"', '"trace_id":"t","type"').replace('{"event_id"', '{"format":2,"event_id"'),
        TEXT_OF_ONE.replace('"type":"ActivityCompleted",', "").replace("}", ',"type":"ActivityCompleted"}'),
        COMMON_TEXT + '"type":"OrchestrationFailed","details":{"Quota":{"limit":3}}}',
        COMMON_TEXT + '"type":"OrchestrationFailed","details":"Quota"}',
    ],
)
def test_what_a_newer_engine_adds_stays_in_its_place(text: str) -> None:
    assert Event.from_json(text).to_json() == text


def test_other_types_are_taken_as_given() -> None:
    event = made("Later", b=1.5, a=["x"])
    assert event.to_json() == COMMON_TEXT + '"type":"Later","b":1.5,"a":["x"]}'


def test_a_changed_copy_keeps_its_order() -> None:
    event = Event.from_json(TEXT_OF_ONE.replace('"type"', '"trace_id":"t","type"'))
    changed = replace(event, event_id=4, payload={**event.payload, "more": 1})
    assert changed.to_json() == (
        TEXT_OF_ONE.replace('"type"', '"trace_id":"t","type"').replace(":3,", ":4,").replace("}", ',"more":1}')
    )


@pytest.mark.parametrize("name", sorted(COMMON.keys() - {"source_event_id"}))
def test_every_common_field_has_to_be_there(name: str) -> None:
    fields = {field: value for field, value in json.loads(TEXT_OF_ONE).items() if field != name}
    assert error(json.dumps(fields)).endswith(f": '{name}' is missing.")


@pytest.mark.parametrize(
    ("found", "instead", "says"),
    [
        ("3,", "true,", "'event_id' should be a whole number from 0 to 2^64 - 1, and is true or false"),
        ("3,", "-3,", "'event_id' should be a whole number from 0 to 2^64 - 1, and is a number beyond that"),
        ("3,", f"{2**64},", "'event_id' should be a whole number from 0 to 2^64 - 1, and is a number beyond that"),
        ("3,", "3.0,", "'event_id' should be a whole number from 0 to 2^64 - 1, and is a number with a fraction"),
        ('"order-1"', "null", "'instance_id' should be text, and is null"),
        ('"ActivityCompleted"', "[]", "'type' should be text, and is a list"),
        ('"ok"', "{}", "'result' should be text, and is an object"),
        ('"result"', '"results"', "'result' is missing"),
        ('"ok"', r'"\ud83e"', "it holds half of a surrogate pair"),
        ('"ok"', '"ok\ud83e"', "it holds half of a surrogate pair"),
    ],
)
def test_wrong_fields_are_named(found: str, instead: str, says: str) -> None:
    message = error(TEXT_OF_ONE.replace(found, instead, 1))
    assert message.endswith(f": {says}.")
    assert "event" in message
    assert "execution 1" in message
    assert ("event 3" in message) == (found != "3,")
    assert ("'order-1'" in message) == (found != '"order-1"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The event cannot be read as JSON: expecting value at character 0."),
        (TEXT_OF_ONE[:-5], "The event cannot be read as JSON: expecting value at character 168."),
        (TEXT_OF_ONE + "x", "The event cannot be read as JSON: extra data at character 173."),
        (TEXT_OF_ONE.replace("3", "NaN", 1), "The event cannot be read as JSON: NaN is no number of JSON."),
        (TEXT_OF_ONE.replace("}", ',"type":"x"}'), "The event cannot be read as JSON: it has 'type' twice."),
        ("[" * 100_000, "The event cannot be read as JSON: it is nested too deep."),
        ('["type"]', "The event should be a JSON object, and is a list."),
        ("{}", "In an event: 'event_id' is missing."),
    ],
)
def test_what_is_no_event(text: str, says: str) -> None:
    assert error(text) == says


def test_errors_are_one_line_whatever_the_instance_is_called() -> None:
    assert "\n" not in error(TEXT_OF_ONE.replace("order-1", r"a\nb").replace('"ok"', "1"))


@pytest.mark.parametrize(
    ("type", "payload", "says"),
    [
        ("ActivityCompleted", {}, "'result' is missing"),
        ("ActivityCompleted", {"result": None}, "'result' should be text, and is null"),
        ("ActivityCompleted", {"result": "ok", "resulf": "ok"}, "ActivityCompleted has no 'resulf'"),
        ("OrchestrationContinuedAsNew", {"input": "\ud83e"}, "it holds half of a surrogate pair"),
        ("OrchestrationFailed", {"details": {1, 2}}, "'details' should be the details of a failure, and is a set"),
        ("Later", {"of": {1, 2}}, "Object of type set is not JSON serializable"),
        ("Later", {"of": float("nan")}, "Out of range float values are not JSON compliant"),
    ],
)
def test_no_event_is_made_that_the_engine_could_not_read(type: str, payload: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordError) as caught:
        made(type, **payload)
    assert caught.value.message.startswith(f"In event 3 of 'order-1', execution 1: {says}")


def test_a_payload_cannot_overwrite_a_common_field() -> None:
    with pytest.raises(RecordError, match="'event_id' is no part of the payload"):
        replace(made(result="ok"), payload={"event_id": 9, "result": "ok"})

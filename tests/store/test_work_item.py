"""WorkItem by itself: any text, newer engines, and what is no message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT
from holystone.duroxide.work_item import WORK_ITEM_SHAPES
from holystone.errors import RecordError
from holystone.store import WorkItem

ENGINE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SAMPLES: dict[str, Any] = {TEXT.means: "text", NUMBER.means: 7, PAIRS.means: [["name", "data"]], DETAILS.means: "Later"}


def error(text: str) -> str:
    with pytest.raises(RecordError) as caught:
        WorkItem.from_json(text)
    return caught.value.message


@pytest.mark.parametrize("kind", list(WORK_ITEM_SHAPES))
def test_every_kind_comes_back(kind: str) -> None:
    item = WorkItem.new(kind, **{name: SAMPLES[field.means] for name, field in WORK_ITEM_SHAPES[kind].items()})
    assert WorkItem.from_json(item.to_json()) == item
    assert item.instance_id == "text"
    assert item.is_for_worker == (kind == "ActivityExecute")


@given(instance=ENGINE_TEXT, reason=ENGINE_TEXT)
def test_any_text_comes_back(instance: str, reason: str) -> None:
    item = WorkItem.new("CancelInstance", reason=reason, instance=instance)
    again = WorkItem.from_json(item.to_json())
    assert (again.instance_id, again.fields["reason"]) == (instance, reason)
    assert hash(again) == hash(item)


def test_what_may_be_left_out() -> None:
    started = WorkItem.new("StartOrchestration", instance="i", orchestration="O", input="{}", execution_id=1)
    assert started.to_json() == (
        '{"StartOrchestration":{"instance":"i","orchestration":"O","input":"{}",'
        '"version":null,"parent_instance":null,"parent_id":null,"execution_id":1}}'
    )
    continued = WorkItem.new("ContinueAsNew", instance="i", orchestration="O", input="{}")
    assert continued.to_json() == (
        '{"ContinueAsNew":{"instance":"i","orchestration":"O","input":"{}","version":null,"carry_forward_events":[]}}'
    )
    work = WorkItem.new("ActivityExecute", instance="i", execution_id=1, id=2, name="A", input="{}", tag="gpu")
    assert work.to_json() == (
        '{"ActivityExecute":{"instance":"i","execution_id":1,"id":2,"name":"A","input":"{}","tag":"gpu"}}'
    )


def test_what_a_child_tells_is_for_its_parent() -> None:
    told = WorkItem.new("SubOrchCompleted", parent_instance="p", parent_execution_id=1, parent_id=2, result="ok")
    assert told.instance_id == "p"
    started = WorkItem.new(
        "StartOrchestration",
        instance="c",
        orchestration="O",
        input="",
        parent_instance="p",
        parent_id=2,
        execution_id=1,
    )
    assert started.instance_id == "c"


@pytest.mark.parametrize(
    ("text", "instance"),
    [
        ('{"ExternalRaised2":{"instance":"i","name":"n","topic":"t","data":"d"}}', "i"),
        ('{"Later":{"z":1.50,"a":[1e16,{}]}}', None),
        ('{"CancelInstance":{"by":"me","instance":"i","reason":"r","at":1.0}}', "i"),
    ],
)
def test_what_a_newer_engine_adds_stays_in_its_place(text: str, instance: str | None) -> None:
    item = WorkItem.from_json(text)
    assert (item.to_json(), item.instance_id) == (text, instance)


def test_messages_printed_anew_hold_the_same() -> None:
    item = WorkItem.new("TimerFired", instance="i", execution_id=1, id=2, fire_at_ms=2**64 - 1)
    printed = json.dumps(json.loads(item.to_json()), sort_keys=True, indent=1)
    assert WorkItem.from_json(printed) == item


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The message cannot be read as JSON: expecting value at character 0."),
        ("[]", "The message should be a JSON object, and is a list."),
        ("{}", "The message should have one field, its kind, and has 0."),
        ('{"TimerFired":{},"Later":{}}', "The message should have one field, its kind, and has 2."),
        ('{"TimerFired":3}', "The message's 'TimerFired' should be an object, and is a whole number."),
        ('{"TimerFired":{}}', "In TimerFired: 'instance' is missing."),
        (
            '{"ActivityCompleted":{"instance":"i","execution_id":2,"id":"3","result":"ok"}}',
            "In ActivityCompleted for 'i', execution 2: 'id' should be a whole number from 0 to 2^64 - 1, and is text.",
        ),
        (
            '{"ContinueAsNew":{"instance":"i","orchestration":"O","input":"","carry_forward_events":[["a"]]}}',
            "In ContinueAsNew for 'i': 'carry_forward_events' should be a list of pairs of text, and is a list.",
        ),
        (
            r'{"CancelInstance":{"instance":"i","reason":"\ud83e"}}',
            "In CancelInstance for 'i': it holds half of a surrogate pair.",
        ),
    ],
)
def test_what_is_no_message(text: str, says: str) -> None:
    assert error(text) == says


def test_no_message_is_made_with_a_field_that_its_kind_has_not() -> None:
    with pytest.raises(RecordError, match="CancelInstance has no 'because'"):
        WorkItem.new("CancelInstance", instance="i", reason="r", because="x")

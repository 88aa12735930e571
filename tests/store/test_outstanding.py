"""What an execution waits for and takes along, by events in every order that matters."""

from __future__ import annotations

from typing import Any

import pytest

from cases.payloads import dequeues, letter, raised, subscribed
from holystone.demo.scribe import Payload
from holystone.duroxide.releases import NEWEST_IN_WORDS, NEWEST_WRITES
from holystone.duroxide.replay import (
    carried_forward,
    custom_status,
    dropped,
    is_open_to_events,
    unanswered,
)

MOST_CARRIED_FORWARD = NEWEST_WRITES.limits["carried forward events"]

START: Payload = ("OrchestrationStarted", {})
END: Payload = ("OrchestrationContinuedAsNew", {})


def history(*payloads: Payload, written_by: str = NEWEST_IN_WORDS) -> list[dict[str, Any]]:
    """Events with ids from 1 on."""
    return [
        {"event_id": number, "source_event_id": None, "duroxide_version": written_by, "type": kind, **fields}
        for number, (kind, fields) in enumerate(payloads, 1)
    ]


def cancels(kind: str, source: int, reason: str = "dropped_future") -> Payload:
    return f"{kind}Cancelled", {"source_event_id": source, "reason": reason}


@pytest.mark.parametrize(
    ("events", "is_open"),
    [
        ([], False),
        ([subscribed()], True),
        ([subscribed(), raised()], False),
        ([subscribed(), raised("other")], True),
        # An event that nobody waited for is gone.
        ([raised(), subscribed()], True),
        ([subscribed(), subscribed(), raised()], True),
        ([subscribed(), subscribed(), raised(), raised()], False),
        ([subscribed(), cancels("ExternalSubscribed", 2)], False),
        # The one that was given up takes no event.
        ([subscribed(), subscribed(), cancels("ExternalSubscribed", 2), raised("other")], True),
        ([subscribed(), subscribed(), cancels("ExternalSubscribed", 2), raised()], False),
        ([dequeues()], True),
        ([dequeues(), letter("a")], False),
        # A letter waits for whoever comes.
        ([letter("a"), dequeues()], False),
        ([letter("a"), dequeues(), dequeues()], True),
        ([letter("a", "parcels"), dequeues()], True),
        ([dequeues(), cancels("ExternalSubscribedPersistent", 2)], False),
        ([dequeues(), cancels("ExternalSubscribedPersistent", 2), letter("a"), dequeues()], False),
    ],
)
def test_open_to_events(events: list[Payload], is_open: bool) -> None:
    assert is_open_to_events(history(START, *events)) is is_open


def test_unanswered_and_dropped() -> None:
    events = history(
        START,
        ("ActivityScheduled", {}),
        ("TimerCreated", {}),
        ("SubOrchestrationScheduled", {}),
        ("ActivityScheduled", {}),
        ("ActivityFailed", {"source_event_id": 2}),
        ("ActivityCancelRequested", {"source_event_id": 5, "reason": "dropped_future"}),
    )
    assert [event["event_id"] for event in unanswered(events)] == [3, 4, 5]
    assert dropped(events) == {5}


def test_letters_that_nobody_took_are_carried_forward_in_their_order() -> None:
    events = [letter("a"), letter("b", "parcels"), dequeues(), letter("c"), letter("d")]
    assert carried_forward(history(START, *events, END)) == [("parcels", "b"), ("letters", "c"), ("letters", "d")]


def test_subscription_that_was_given_up_takes_no_letter() -> None:
    early = [dequeues(), cancels("ExternalSubscribedPersistent", 2), letter("a")]
    assert carried_forward(history(START, *early, END)) == [("letters", "a")]
    # Here it was the end that cancelled it, after it had taken one.
    late = [dequeues(), letter("a"), cancels("ExternalSubscribedPersistent", 2, "orchestration_terminal")]
    assert carried_forward(history(START, *late, END)) == []


def test_no_more_letters_are_carried_than_the_engine_carries() -> None:
    events = [letter(str(number)) for number in range(MOST_CARRIED_FORWARD + 1)]
    assert carried_forward(history(START, *events, END)) == [
        ("letters", str(number)) for number in range(MOST_CARRIED_FORWARD)
    ]


@pytest.mark.parametrize(("written_by", "most"), [("0.1.19", 20), ("0.1.26", 20), ("0.1.27", 100), ("9.9.9", 100)])
def test_older_engines_carry_fewer(written_by: str, most: int) -> None:
    events = [letter(str(number)) for number in range(MOST_CARRIED_FORWARD + 1)]
    assert len(carried_forward(history(START, *events, END, written_by=written_by))) == most


def test_custom_status_is_the_last_one_set_or_carried() -> None:
    carried = ("OrchestrationStarted", {"initial_custom_status": "carried"})
    sets = ("CustomStatusUpdated", {"status": "set"})
    resets = ("CustomStatusUpdated", {"status": None})
    assert custom_status(history(START)) is None
    assert custom_status(history(carried)) == "carried"
    assert custom_status(history(carried, sets)) == "set"
    assert custom_status(history(carried, sets, resets)) is None

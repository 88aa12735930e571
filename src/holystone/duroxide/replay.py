"""What an execution still waits for, and what it takes along when it continues as new: both by its events.

Sources in microsoft/duroxide: `get_outstanding_schedule_ids`, `collect_unmatched_queue_messages` and
`compute_accumulated_custom_status` in src/runtime/execution.rs, MAX_CARRY_FORWARD_EVENTS in src/runtime/limits.rs.
Events are mappings, in the order of their ids, as `event.parse_event` returns them.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from holystone.duroxide.engine_version import engine_version
from holystone.duroxide.event_types import START
from holystone.duroxide.releases import writes

Events = Sequence[Mapping[str, Any]]

ANSWERED_BY: Mapping[str, frozenset[str]] = {
    "ActivityScheduled": frozenset({"ActivityCompleted", "ActivityFailed"}),
    "TimerCreated": frozenset({"TimerFired"}),
    "SubOrchestrationScheduled": frozenset({"SubOrchestrationCompleted", "SubOrchestrationFailed"}),
}
"""Type of an event that asks for something -> the types of those that answer it, by their source_event_id."""

_CARRIED = "carried forward events"

_SUBSCRIBED = "ExternalSubscribed"
_QUEUE_SUBSCRIBED = "ExternalSubscribedPersistent"
_ANSWERING = frozenset().union(*ANSWERED_BY.values())
_DROPPING = frozenset(
    {
        "ActivityCancelRequested",
        "SubOrchestrationCancelRequested",
        f"{_SUBSCRIBED}Cancelled",
        f"{_QUEUE_SUBSCRIBED}Cancelled",
    }
)
_AT_THE_END = "orchestration_terminal"
"""The reason for which an execution that ends cancels what is still open: after it has chosen what to take along."""


def unanswered(events: Events) -> list[Mapping[str, Any]]:
    """Return the activities, timers and children that have not answered, dropped ones included."""
    answered = {event.get("source_event_id") for event in events if event["type"] in _ANSWERING}
    return [event for event in events if event["type"] in ANSWERED_BY and event["event_id"] not in answered]


def dropped(events: Events, *, at_the_end: bool = True) -> set[int | None]:
    """Return the ids of what the execution has cancelled; without those that its end did, for False."""
    cancelled = (event for event in events if event["type"] in _DROPPING)
    return {event.get("source_event_id") for event in cancelled if at_the_end or event["reason"] != _AT_THE_END}


def is_open_to_events(events: Events) -> bool:
    """Return whether a subscription is open, so that an event from outside would take the execution on."""
    return bool(open_subscriptions(events))


def open_subscriptions(events: Events) -> list[Mapping[str, Any]]:
    """Return the subscriptions that an event from outside would answer, those to queues included, in their order.

    Events answer the subscriptions of their name in the order of both.
    """
    cancelled = dropped(events)
    waiting: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    places: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    taken: Counter[str] = Counter()
    for event in events:
        match event["type"]:
            case "ExternalSubscribed":
                waiting[event["name"]].append(event)
            case "ExternalEvent" if waiting[event["name"]]:
                waiting[event["name"]].pop(0)
            case "ExternalSubscribedCancelled":
                for name, some in waiting.items():
                    waiting[name] = [one for one in some if one["event_id"] != event.get("source_event_id")]
            case "ExternalSubscribedPersistent" if event["event_id"] not in cancelled:
                places[event["name"]].append(event)
            case "ExternalEventPersistent":
                taken[event["name"]] += 1
    queued = (one for name, some in places.items() for one in some[taken[name] :])
    return sorted([*chain.from_iterable(waiting.values()), *queued], key=lambda event: event["event_id"])


def carried_forward(events: Events) -> list[tuple[str, str]]:
    """Return the letters, as name and data, that no dequeue took and that the next execution gets.

    The version that wrote the last of the events says how many it takes along; it drops the rest.
    """
    cancelled = dropped(events, at_the_end=False)
    taken = Counter(
        event["name"] for event in events if event["type"] == _QUEUE_SUBSCRIBED and event["event_id"] not in cancelled
    )
    left = []
    for event in events:
        if event["type"] == "ExternalEventPersistent":
            if taken[event["name"]] > 0:
                taken[event["name"]] -= 1
            else:
                left.append((event["name"], event["data"]))
    written_by = engine_version(events[-1]["duroxide_version"]) if events else None
    return left[: writes(written_by).limits.get(_CARRIED, 0)]


def custom_status(events: Events) -> str | None:
    """Return the custom status at the end of the events: the last one set, or the one that was carried over."""
    status = None
    for event in events:
        if event["type"] == START:
            status = event.get("initial_custom_status")
        elif event["type"] == "CustomStatusUpdated":
            status = event.get("status")
    return status

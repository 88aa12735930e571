"""Relays: orchestrations of three laps, each run by the engine or by holystone, with something to wait for between.

What it waits for is of another kind in each: an event, a message, a child, a timer, an activity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holystone.store import WorkItem

ENGINE, HOLYSTONE = "E", "H"
TAKERS = ("EHE", "HEH", "EHH")
"""Who takes each lap: holystone the middle one, or all but the middle one, or all but the first."""
HOUR_MS = 3_600_000

Leg = list[Any]
GO: Leg = ["event", "go"]


@dataclass(frozen=True)
class Relay:
    """An instance of the driver's orchestration `Relay`: who takes its laps, and what wakes it between them."""

    instance_id: str
    takers: str
    legs: list[Leg]
    wakes: list[list[WorkItem]]

    @property
    def value(self) -> dict[str, Any]:
        """The orchestration's input."""
        return {"legs": self.legs}


def relays() -> list[Relay]:
    """Return a relay of every kind for all takers."""
    return [make(kind, takers) for kind, make in KINDS.items() for takers in TAKERS]


def _continued(kind: str, takers: str) -> Relay:
    again: Leg = ["again", None]
    legs: list[Leg] = [["status", "one"], ["key", ["k", "1"]], again, GO, again, ["key", ["k", "2"]], GO, again]
    return _woken_by_events(kind, takers, legs)


def _keys(kind: str, takers: str) -> Relay:
    first: list[Leg] = [["key", ["a", "1"]], ["key", ["b", "1"]], GO]
    second: list[Leg] = [["key", ["a", "2"]], ["clear", "b"], ["key", ["c", "2"]], ["again", None], GO]
    third: list[Leg] = [["clear all", None], ["key", ["d", "3"]]]
    return _woken_by_events(kind, takers, first + second + third)


def _statuses(kind: str, takers: str) -> Relay:
    legs: list[Leg] = [["status", "one"], GO, ["status", "two"], ["status", "three"], GO, ["status reset", None]]
    return _woken_by_events(kind, takers, legs)


def _woken_by_events(kind: str, takers: str, legs: list[Leg]) -> Relay:
    instance = f"{kind}-{takers}"
    wakes = [[WorkItem.new("ExternalRaised", instance=instance, name="go", data=data)] for data in ("1", "2")]
    return Relay(instance, takers, legs, wakes)


def _children(kind: str, takers: str) -> Relay:
    """The parent starts a child in each of its executions, and each child waits for an event."""
    instance = f"{kind}-{takers}"
    wakes = [
        [WorkItem.new("ExternalRaised", instance=f"{instance}::sub::{child}", name="go", data="1")]
        for child in ("2", "2_2")
    ]
    return Relay(instance, takers, [["child", 1], ["again", None], ["child", 2]], wakes)


def _queue(kind: str, takers: str) -> Relay:
    """Two messages come at once; the second one is carried into the next execution."""
    instance = f"{kind}-{takers}"

    def letter(data: str) -> WorkItem:
        return WorkItem.new("QueueMessage", instance=instance, name="letters", data=data)

    read: Leg = ["queue", "letters"]
    return Relay(
        instance, takers, [read, ["again", None], read, read], [[letter('"a"'), letter('"b"')], [letter('"c"')]]
    )


def _timers(kind: str, takers: str) -> Relay:
    """The engine fires what is due; to holystone's laps an hour is nothing, and the engine must not be quicker."""
    legs: list[Leg] = [["timer", HOUR_MS if taker == HOLYSTONE else 1] for taker in takers[1:]]
    return Relay(f"{kind}-{takers}", takers, legs, [[], []])


def _activities(kind: str, takers: str) -> Relay:
    """The engine's workers leave those with a tag to holystone's, which take no others."""
    legs: list[Leg] = [
        ["tagged" if taker == HOLYSTONE else "activity", number] for number, taker in enumerate(takers[1:])
    ]
    return Relay(f"{kind}-{takers}", takers, legs, [[], []])


KINDS: dict[str, Callable[[str, str], Relay]] = {
    "activities": _activities,
    "children": _children,
    "continued": _continued,
    "keys": _keys,
    "queue": _queue,
    "statuses": _statuses,
    "timers": _timers,
}

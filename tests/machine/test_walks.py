"""Some ways that the machine must not miss by chance, each step of them looked at as the machine's own are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from machine.lane import COMMIT
from machine.lockstep import Lockstep
from machine.machine import LOCK_MS, POINTS, TurnProtocol
from machine.script import Script, Wish

GO_ON, END = "go on", "complete"
Walk = Callable[[TurnProtocol], Iterator[None]]


def turn(machine: TurnProtocol, end: str, *wishes: Wish, dies: str | None = None) -> None:
    """Take the next turn."""
    machine.take_turn(Script(list(wishes), end), 0, dies)


def poke(machine: TurnProtocol, which: int = 0) -> None:
    """Give an instance a reason for another turn."""
    machine.send("ExternalRaised", which, None)


def keys_through_a_chain(machine: TurnProtocol) -> Iterator[None]:
    machine.start("a", None)
    yield turn(machine, "continue as new", ("key", 0), ("key", 1), ("status", 1), ("status", 2))
    yield turn(machine, GO_ON, ("clear key", 0), ("key", 2))
    yield poke(machine)
    yield turn(machine, "continue in another version", ("reset status", 0))
    yield turn(machine, "continue as new", ("clear all keys", 0), ("key", 1))
    yield turn(machine, "fail", ("key", 1), ("clear all keys", 0))
    yield machine.remove(0, 1, None, None)
    yield machine.remove(0, None, False, None)


def a_lock_that_expires(machine: TurnProtocol) -> Iterator[None]:
    machine.start("a", None)
    yield machine.fetch_turn(0)
    yield poke(machine)
    yield machine.fetch_turn(1)
    yield machine.renew(0, 1_000)
    machine.pass_time(1_000)
    yield machine.renew(0, 1_000)
    yield machine.fetch_turn(1)
    yield machine.ack_turn(1, Script([("key", 0)], GO_ON), 0)
    yield machine.ack_turn(0, Script([("activity", 0), ("timer", 1)], GO_ON), 1)
    yield machine.fetch_activity(0)
    machine.pass_time(LOCK_MS)
    yield machine.renew(0, 1_000)
    yield machine.fetch_activity(1)
    yield machine.ack_activity(1, False)
    yield machine.ack_activity(0, True)
    yield turn(machine, GO_ON)
    machine.pass_time(60_000)
    yield turn(machine, END)


def activities_that_nobody_waits_for(machine: TurnProtocol) -> Iterator[None]:
    machine.start("a", None)
    yield turn(machine, GO_ON, ("activity", 0), ("activity", 1))
    yield machine.fetch_activity(0)
    yield poke(machine)
    yield turn(machine, "continue as new", ("activity", 2))
    yield machine.ack_activity(0, False)
    yield turn(machine, GO_ON, ("activity", 0))
    yield machine.fetch_activity(1)
    yield machine.ack_activity(0, False)
    yield turn(machine, END)
    yield poke(machine)
    yield turn(machine, GO_ON)


def a_family(machine: TurnProtocol) -> Iterator[None]:
    machine.start("a", None)
    yield turn(machine, GO_ON, ("child", 0), ("child", 1), ("child", 2))
    yield turn(machine, END)
    yield turn(machine, GO_ON)
    yield machine.remove(0, None, False, None)
    yield machine.send("CancelInstance", 0, None)
    yield turn(machine, GO_ON)
    yield turn(machine, GO_ON)
    yield turn(machine, GO_ON)
    machine.start("b", None)
    yield turn(machine, GO_ON, ("child", 0), ("detached", 2))
    yield machine.fetch_turn(1)
    yield machine.remove(-1, None, True, None)
    yield machine.ack_turn(0, Script([], GO_ON), 1)


def dying_everywhere(machine: TurnProtocol) -> Iterator[None]:
    machine.start("a", None)
    yield turn(machine, "continue as new", ("key", 0), ("key", 1))
    wishes: list[Wish] = [("key", 0), ("clear key", 1), ("clear all keys", 0), ("status", 0), ("activity", 0)]
    for number, point in enumerate(POINTS):
        yield turn(machine, "continue as new" if number % 2 else GO_ON, *wishes, ("timer", 1), dies=point)
        yield poke(machine)
    for point in POINTS:
        yield machine.fetch_turn(0, point)
        yield machine.abandon(0, None, True, point)
    yield machine.remove(0, 1, None, "DELETE history")
    for point in POINTS:
        if point.startswith("DELETE") or point == COMMIT:
            yield machine.remove(0, None, True, point)
            yield machine.start("a", None)
            yield turn(machine, GO_ON, ("activity", 0))


@pytest.mark.parametrize(
    "walk",
    [keys_through_a_chain, a_lock_that_expires, activities_that_nobody_waits_for, a_family],
    ids=lambda one: one.__name__,
)
def test_known_ways(machine: type[TurnProtocol], walk: Walk) -> None:
    walked = machine()
    for _ in walk(walked):
        walked.is_as_it_must_be()
    walked.teardown()


def test_every_place_to_die_at(machine: type[TurnProtocol], stores: Lockstep) -> None:
    test_known_ways(machine, dying_everywhere)
    changes = {point for point in stores.points if point.split()[0] in ("DELETE", "INSERT", "UPDATE")}
    assert changes == {point for point in POINTS if point.split()[0] in ("DELETE", "INSERT", "UPDATE")}

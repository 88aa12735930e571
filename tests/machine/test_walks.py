"""Some ways that the machine must not miss by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from machine.lane import COMMIT
from machine.lockstep import Lockstep
from machine.machine import POINTS, TurnProtocol
from machine.script import Script, Wish
from machine.spoil import HOW
from turns.kit import LOCK_MS

pytestmark = pytest.mark.long

GO_ON, END, AGAIN = "go on", "complete", "continue as new"


class Walker:
    """Does what the machine can do, step by step, and looks at the stores after each step as the machine would."""

    def __init__(self, machine: TurnProtocol) -> None:
        self.machine = machine

    def __getattr__(self, rule: str) -> Callable[..., None]:
        def step(*values: Any) -> None:
            getattr(self.machine, rule)(*values)
            self.machine.is_as_it_must_be()

        return step

    def turn(self, end: str, *wishes: Wish, dies: str | None = None) -> None:
        """Take the next turn."""
        self.take_turn(Script(list(wishes), end), 0, dies)

    def poke(self) -> None:
        """Give the first instance a reason for another turn."""
        self.send("ExternalRaised", 0, None)

    def dying(self, point: str, rule: str, *values: Any) -> None:
        """Do something at the second attempt, after a death at the first."""
        self.machine.stores.crash_at = point
        getattr(self, rule)(*values)


def keys_through_a_chain(walker: Walker) -> None:
    walker.start("a", None)
    walker.turn(AGAIN, ("key", 0), ("key", 1), ("status", 1), ("status", 2))
    walker.turn(GO_ON, ("clear key", 0), ("key", 2))
    walker.poke()
    walker.turn("continue in another version", ("reset status", 0))
    walker.turn(AGAIN, ("clear all keys", 0), ("key", 1))
    walker.turn("fail", ("key", 1), ("clear all keys", 0))
    walker.remove(0, 1, None, None)
    walker.remove(0, None, False, None)


def locks_that_expire(walker: Walker) -> None:
    walker.start("a", None)
    walker.fetch_turn(0)
    walker.poke()
    walker.fetch_turn(1)
    walker.renew(0, 1_000)
    walker.pass_time(1_000)
    walker.renew(0, 1_000)
    walker.fetch_turn(1)
    walker.ack_turn(1, Script([("key", 0)], GO_ON), 0)
    walker.ack_turn(0, Script([("activity", 0), ("timer", 1)], GO_ON), 1)
    walker.fetch_activity(0)
    walker.pass_time(LOCK_MS)
    walker.renew(0, 1_000)
    walker.fetch_activity(1)
    walker.ack_activity(1, False)
    walker.ack_activity(0, True)
    walker.turn(GO_ON)
    walker.pass_time(60_000)
    walker.turn(END)


def activities_that_nobody_waits_for(walker: Walker) -> None:
    walker.start("a", None)
    walker.turn(GO_ON, ("activity", 0), ("activity", 1))
    walker.fetch_activity(0)
    walker.poke()
    walker.turn(AGAIN, ("activity", 2))
    walker.ack_activity(0, False)
    walker.turn(GO_ON, ("activity", 0))
    walker.fetch_activity(1)
    walker.ack_activity(0, False)
    walker.turn(END)
    walker.poke()
    walker.turn(GO_ON)


def families(walker: Walker) -> None:
    walker.start("a", None)
    walker.turn(GO_ON, ("child", 0), ("child", 1), ("child", 2))
    walker.turn(END)
    walker.turn(GO_ON)
    walker.remove(0, None, False, None)
    walker.send("CancelInstance", 0, None)
    for _ in range(5):
        walker.turn(GO_ON)
    walker.remove(0, None, False, None)
    walker.start("b", None)
    walker.turn(GO_ON, ("child", 0), ("detached", 2))
    walker.fetch_turn(1)
    walker.remove(0, None, True, None)
    walker.ack_turn(0, Script([], GO_ON), 1)
    walker.turn(END, ("child", 0))


def cancelled_before_it_began(walker: Walker) -> None:
    walker.start("a", None)
    walker.send("CancelInstance", 0, None)
    walker.turn(GO_ON, ("child", 0), ("activity", 0), ("key", 0), ("status", 0), ("timer", 0))
    walker.remove(0, None, False, None)


@pytest.mark.parametrize(
    "walk",
    [
        keys_through_a_chain,
        locks_that_expire,
        activities_that_nobody_waits_for,
        families,
        cancelled_before_it_began,
    ],
    ids=lambda walk: walk.__name__,
)
def test_known_ways(stores: Lockstep, walk: Callable[[Walker], None]) -> None:
    walker = Walker(TurnProtocol(stores))
    walk(walker)
    walker.machine.teardown()


def test_every_place_to_die_at(stores: Lockstep) -> None:
    walker = Walker(TurnProtocol(stores))
    walker.start("a", None)
    walker.turn(AGAIN, ("key", 0), ("key", 1))
    wishes: list[Wish] = [("key", 0), ("clear key", 1), ("clear all keys", 0), ("status", 0), ("activity", 0)]
    for point in _changes(POINTS) - REMOVALS:
        for end in (AGAIN, GO_ON) if "kv_" in point or "executions" in point else (GO_ON,):
            walker.turn(end, *wishes, ("timer", 1), dies=point)
            walker.poke()
    for point in ("INSERT instance_locks", "UPDATE orchestrator_queue", COMMIT):
        walker.dying(point, "fetch_turn", 0)
        walker.dying("UPDATE instance_locks", "renew", 0, 1_000)
        walker.dying("DELETE instance_locks", "abandon", 0, None, True, None)
    walker.turn(GO_ON, ("activity", 0))
    walker.dying("UPDATE worker_queue", "fetch_activity", 0)
    walker.dying("DELETE worker_queue", "ack_activity", 0, False)
    walker.dying("DELETE history", "remove", 0, 1, None, None)
    for point in REMOVALS:
        walker.dying(point, "remove", 0, None, True, None)
        walker.start("a", None)
        walker.turn(GO_ON, ("activity", 0))
    walker.machine.teardown()
    assert _changes(stores.points) == _changes(POINTS)


REMOVALS = {"DELETE executions", "DELETE history", "DELETE instances"}
"""Where a process can die that deletes or prunes."""


def _changes(points: Iterable[str]) -> set[str]:
    """Return those points at which a table is changed."""
    return {point for point in points if point.startswith(("DELETE", "INSERT", "UPDATE"))}


def test_every_wrong_turn(stores: Lockstep) -> None:
    """Of each kind there is one that is refused, in turns that go on and in turns that end."""
    walker = Walker(TurnProtocol(stores))
    walker.start("a", None)
    wishes: list[Wish] = [("activity", 0), ("timer", 1), ("child", 0), ("key", 0)]
    walker.fetch_turn(0)
    for end in (GO_ON, END, AGAIN, "fail"):
        for how in HOW:
            walker.ack_what_is_none(0, Script(wishes, end), 0, how)
    walker.ack_turn(0, Script(wishes, GO_ON), 0)
    walker.machine.teardown()

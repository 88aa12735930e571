"""The stores of both flavours and the model, which do the same at the same time and must not differ."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

from holystone import clock
from holystone.errors import HolystoneError, InvalidTurnError, LockLostError
from holystone.flavours.postgresql.flavour import PostgreSQL
from holystone.flavours.sqlite.flavour import SQLite
from holystone.store.turns import locks
from machine.lane import Crash, Lane
from machine.model import Model
from machine.view import expected

BEGINNING_MS = 1_790_000_000_123


@dataclass(frozen=True)
class Answer:
    """What all of them said: a value, or the error that they raised."""

    value: Any = None
    error: type[HolystoneError] | None = None


class Lockstep:
    """Calls methods of the turn protocol on all, and compares the answers and what is written.

    `crash_at` makes the stores die in the next call, once, which must leave nothing behind. As long as it is `in_force`
    time stands still but for `pass_ms`, and tokens are numbered, so that both are the same everywhere.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self.begin()

    def begin(self) -> None:
        """Make all stores empty."""
        self.model = Model()
        self.crash_at: str | None = None
        self.now_ms = BEGINNING_MS
        self._calls = 0
        self._looks = 0
        for lane in self._lanes:
            lane.crash_at = None
            lane.clear()

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Stand in the place of holystone's clock, and of where its tokens come from.

        Which of several instances comes first differs by the flavour, as it does with the engine: here both go by the
        order in which messages came.
        """
        with (
            mock.patch.object(clock, "time", self),
            mock.patch.object(locks, "uuid", self),
            mock.patch.object(PostgreSQL, "queue_order", SQLite.queue_order),
        ):
            yield

    @property
    def points(self) -> set[str]:
        """Where the stores could have died so far."""
        return set().union(*(lane.points for lane in self._lanes))

    def pass_ms(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms

    def write(self, method: str, *values: Any, worker: int = 0, **named: Any) -> Answer:
        """Have one worker of each store do something, and the model; return what they all say."""
        self._calls += 1
        point, self.crash_at = self.crash_at, None
        if point is not None:
            self._die(point, method, worker, values, named)
        return self.read(method, *values, worker=worker, **named)

    def read(self, method: str, *values: Any, worker: int = 0, **named: Any) -> Answer:
        """Ask one worker of each store, and the model; return what they all say."""
        right = _attempt(partial(getattr(self.model, method), *values, **named))
        for lane in self._lanes:
            answer = _attempt(partial(lane.call, method, worker, *values, **named))
            assert answer == right, f"{lane.flavour} answers {answer}, and should {right}"
        return right

    def refuse(self, method: str, *values: Any, worker: int = 0, **named: Any) -> None:
        """Have one worker of each store do what must not be done: all refuse it, for the same reason.

        A lock that has expired is reason enough.
        """
        self._calls += 1
        answers = [_attempt(partial(lane.call, method, worker, *values, **named)) for lane in self._lanes]
        assert {answer.error for answer in answers} in ({InvalidTurnError}, {LockLostError}), answers
        self.require_same_contents()

    def require_same_contents(self) -> None:
        """Fail unless both stores hold what the model holds."""
        for lane in self._lanes:
            found, wanted = lane.contents(), expected(self.model, lane.flavour)
            for table, rows in wanted.items():
                wrong = [row for row in found[table] if row not in rows]
                lacking = [row for row in rows if row not in found[table]]
                assert found[table] == rows, f"{table} on {lane.flavour}: {wrong} should be {lacking}"

    def require_clean(self) -> None:
        """Fail where a scan finds anything in one of the stores."""
        for lane in self._lanes:
            found = lane.findings()
            assert not found, f"{lane.flavour}: {found}"

    def require_unsuspicious(self) -> None:
        """Fail where the catalogue finds anything in one of the stores: a quick look, and at slow ones now and then."""
        self._looks += 1
        for lane in self._lanes:
            if lane.flavour == "sqlite" or self._looks % 5 == 0:
                found = lane.suspicions()
                assert not found, f"{lane.flavour}: {found}"

    def _die(self, point: str, method: str, worker: int, values: tuple[Any, ...], named: dict[str, Any]) -> None:
        alone = copy.deepcopy(self.model)
        right = _attempt(partial(getattr(alone, method), *values, **named))
        for lane in self._lanes:
            lane.crash_at = point
            try:
                answer = _attempt(partial(lane.call, method, worker, *values, **named))
                # Where there was nothing to write, there was nothing to die at.
                writes = expected(alone, lane.flavour) != expected(self.model, lane.flavour)
                assert right.error is not None or not writes, f"{lane.flavour} lived on"
                assert answer == right, f"{lane.flavour} answers {answer}, and should {right}"
            except Crash:
                pass
            lane.crash_at = None
        self.require_same_contents()

    def time_ns(self) -> int:
        """Return the time, in the way of the module time."""
        return self.now_ms * 1_000_000

    def uuid4(self) -> str:
        """Return what makes a call's token its own, in the way of the module uuid."""
        return f"of call {self._calls}"


def _attempt(call: Callable[[], Any]) -> Answer:
    try:
        value = call()
    except HolystoneError as error:
        return Answer(error=type(error))
    return Answer(value)

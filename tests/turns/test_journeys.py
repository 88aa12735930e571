"""How often each operation waits for a server of PostgreSQL: over a network that is what a turn costs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import ENGINES, MakeStore
from holystone.store import Store
from holystone.store.turns.lease import OrchestrationItem, WorkLease
from turns.kit import Kit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libpq notes messages on Linux alone")


_MESSAGE = re.compile(r"^([FB])\t\d+\t(\w+)", re.MULTILINE)
"""Whether it goes to the server or comes back, and what it is."""


@dataclass(frozen=True)
class Course:
    """What an operation cost: journeys to the server and back, and statements on them."""

    journeys: int
    statements: int


class Wire:
    """Reads what libpq notes of the one connection that a store keeps for its turns."""

    def __init__(self, store: Store, notes: Path) -> None:
        self._notes = notes.open("w+")
        with store._writer.connect() as connection:
            driver: Any = connection.connection.driver_connection
        self._server = driver.pgconn

    def course(self, call: Callable[[], object]) -> Course:
        """Return what a call cost."""
        self._notes.seek(0)
        self._notes.truncate()
        self._server.trace(self._notes.fileno())
        self._server.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)
        call()
        self._server.untrace()
        self._notes.seek(0)
        messages = _MESSAGE.findall(self._notes.read())
        journeys = sum(one == "F" and following == "B" for (one, _), (following, _) in pairwise(messages))
        return Course(journeys, sum(kind in ("Bind", "Query") for _, kind in messages))

    def close(self) -> None:
        self._notes.close()


@pytest.fixture
def store(engine_store: MakeStore) -> Iterator[Store]:
    made = engine_store(ENGINES[-1], "postgresql", ())
    with closing(Store.open(made.target, made.schema)) as store:
        yield store


@pytest.fixture
def wire(store: Store, tmp_path: Path) -> Iterator[Wire]:
    with closing(Wire(store, tmp_path / "notes")) as wire:
        yield wire


def test_an_instance(store: Store, wire: Wire) -> None:
    """Whatever has to be prepared is when it is first sent."""
    kit = Kit(store)
    turns: list[OrchestrationItem] = []
    work: list[WorkLease] = []

    def first() -> None:
        store.ack_orchestration_item(
            turns[-1].lock_token,
            1,
            history_delta=[kit.started("a"), kit.event("a", 2, "ActivityScheduled", name="Charge", input="{}")],
            worker_items=[kit.activity("a")],
        )

    def last() -> None:
        done = kit.event("a", 3, "ActivityCompleted", source_event_id=2, result="7")
        ended = kit.event("a", 4, "OrchestrationCompleted", output="7")
        store.ack_orchestration_item(turns[-1].lock_token, 1, history_delta=[done, ended])

    steps: dict[str, Callable[[], object]] = {
        "start": lambda: kit.start("a"),
        "fetch the first turn": lambda: turns.append(kit.fetch()),
        "renew it": lambda: store.renew_orchestration_item_lock(turns[-1].lock_token, 30_000),
        "ack it": first,
        "fetch the activity": lambda: work.append(kit.work()),
        "renew the activity": lambda: store.renew_work_item_lock(work[-1].lock_token, 30_000),
        "ack the activity": lambda: store.ack_work_item(work[-1].lock_token, kit.completion("a")),
        "fetch the last turn": lambda: turns.append(kit.fetch()),
        "give it back": lambda: store.abandon_orchestration_item(turns[-1].lock_token),
        "fetch it again": lambda: turns.append(kit.fetch()),
        "ack the last turn": last,
        "fetch nothing": lambda: store.fetch_orchestration_item(30_000),
        "fetch nothing again": lambda: store.fetch_orchestration_item(30_000),
        "fetch no activity": lambda: store.fetch_work_item(30_000),
    }
    assert {name: wire.course(step) for name, step in steps.items()} == {
        "start": Course(1, 1),
        "fetch the first turn": Course(1, 3),
        "renew it": Course(1, 3),
        "ack it": Course(1, 10),
        "fetch the activity": Course(1, 1),
        "renew the activity": Course(1, 3),
        "ack the activity": Course(1, 4),
        "fetch the last turn": Course(1, 3),
        "give it back": Course(1, 3),
        "fetch it again": Course(1, 3),
        "ack the last turn": Course(1, 9),
        "fetch nothing": Course(2, 4),
        "fetch nothing again": Course(1, 1),
        "fetch no activity": Course(1, 1),
    }


def test_turn_that_its_caller_has_forgotten(store: Store, wire: Wire) -> None:
    """Its ack reads first what it is judged by; so does one in another process."""
    kit = Kit(store)
    kit.start("a")
    token = kit.fetch().lock_token
    acked = wire.course(lambda: store.ack_orchestration_item(token, 1, history_delta=[kit.started("a")]))
    assert acked.journeys == 2

"""Two runtimes on one store, killed and started again at random: no check finds what the engine did not leave behind.

`HOLYSTONE_TEST_CHECKS` says how many checks are made on each flavour, `HOLYSTONE_TEST_SEED` from what all is drawn.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_live import is_of_the_engine
from engine.test_random_workloads import never_started
from engine.test_untouched import findings
from holystone.scan.check import Level
from holystone.scan.reader import RACE_WINDOW_SECONDS

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

CHECKS = int(os.environ.get("HOLYSTONE_TEST_CHECKS", "20"))
SEED = int(os.environ.get("HOLYSTONE_TEST_SEED", "1"))
RUNTIMES = 2
LIFE_SECONDS = (0.6, 4.0)
DRAIN_SECONDS = 20
DRAINS = 8
CREW = Path(__file__).with_name("crew.py")

Found = tuple[str, str, int | None]


def crew(kind: str, store: EngineStore, number: object) -> subprocess.Popen[str]:
    """Start a process of the crew on the store."""
    return subprocess.Popen(
        [sys.executable, str(CREW), kind, store.target, store.schema or "", str(number)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )


@dataclass
class Lives:
    """The runtimes on a store: each is killed once its time has come, and another one takes its place."""

    store: EngineStore
    rng: random.Random
    killed: int = 0
    _running: dict[subprocess.Popen[str], float] = field(default_factory=dict)
    _seeds: count[int] = field(default_factory=count)

    def go_on(self) -> None:
        """Kill whose time has come, and start what is missing."""
        for process, until in list(self._running.items()):
            assert process.poll() is None, "a runtime has ended by itself"
            if time.monotonic() > until:
                self._kill(process)
        while len(self._running) < RUNTIMES:
            seed = SEED * 100_000 + next(self._seeds)
            self._running[crew("work", self.store, seed)] = time.monotonic() + self.rng.uniform(*LIFE_SECONDS)

    def end(self) -> None:
        """Kill all of them."""
        for process in list(self._running):
            self._kill(process)

    def _kill(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate()
        del self._running[process]
        self.killed += 1


def amiss(store: EngineStore, level: Level = Level.deep, race_window: int = RACE_WINDOW_SECONDS) -> list[Found]:
    """What the checks find, less what faults of the engine's own leave behind.

    One of them halts the store on SQLite, a cancellation of a child that never started: it is taken away, as an
    operator would.
    """
    found = [one for one in findings(store, level, race_window) if not is_of_the_engine(store, *one)]
    own = never_started(store) if found else set()
    for check, instance, _ in found:
        if check == "Q001" and instance in own:
            store.execute("DELETE FROM orchestrator_queue WHERE instance_id = ?", instance)
    return [one for one in found if one[0] not in ("E007", "Q001") or one[1] not in own]


def drained(store: EngineStore) -> list[str]:
    """Let all work come to its end, with one runtime that nobody kills; return the instances that still run."""
    left: list[str] = []
    for _ in range(DRAINS):
        # Nobody is at work on it between the drains, so that there is no race to be patient with.
        assert amiss(store, race_window=0) == []
        process = crew("drain", store, DRAIN_SECONDS)
        printed, _ = process.communicate(timeout=DRAIN_SECONDS + 60)
        left = json.loads(printed.splitlines()[-1])
        if not left:
            break
    return left


def sizes(store: EngineStore) -> dict[str, Any]:
    """How much there is in the store, for the record of a run."""
    rows = store.execute("SELECT status, count(*) FROM executions GROUP BY status ORDER BY status")
    ((events,),) = store.execute("SELECT count(*) FROM history")
    return {**dict(rows), "events": events}


def test_killed_runtimes_leave_nothing_behind(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    rng = random.Random(SEED)
    lives = Lives(store, rng)
    levels = cycle(Level)
    with ExitStack() as stack:
        stack.callback(lives.end)
        for number in range(CHECKS):
            lives.go_on()
            assert amiss(store, next(levels)) == [], f"check {number}"
            time.sleep(rng.uniform(0, 0.4))
    stuck = drained(store)
    print(json.dumps({"flavour": flavour, "checks": CHECKS, "killed": lives.killed, "stuck": stuck, **sizes(store)}))
    assert lives.killed > CHECKS // 20
    assert amiss(store, race_window=0) == []
    assert set(stuck) <= {instance for _, instance, _ in findings(store)}

"""What the engine does with a message of a kind that it does not know, or that never belongs in its queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_queues import put
from engine.test_untouched import findings

pytestmark = pytest.mark.long

UNKNOWN = {"FromALaterEngine": {"instance": "waiting", "execution_id": 1, "id": 9}}
ACTIVITY = {"instance": "waiting", "execution_id": 1, "id": 9, "name": "Echo", "input": "1"}
START = {"instance": "new", "orchestration": "Work", "input": "1", "version": None, "execution_id": 1}
TIMER = {"instance": "waiting", "execution_id": 1, "id": 9, "fire_at_ms": 1}


@dataclass(frozen=True)
class Member:
    """A message in a queue; `becomes` is what the engine makes of it."""

    queue: str
    item: Mapping[str, Any]
    becomes: Mapping[Flavour, str]


DROPPED, STOPS_INSTANCE, STOPS_WORKERS, KEPT = "dropped", "stops its instance", "stops the workers", "fetched for ever"

MEMBERS = {
    "unknown to a dispatcher": Member("orchestrator_queue", UNKNOWN, {"sqlite": DROPPED, "postgresql": STOPS_INSTANCE}),
    "unknown to a worker": Member("worker_queue", UNKNOWN, {"sqlite": STOPS_WORKERS, "postgresql": KEPT}),
    "activity for a dispatcher": Member(
        "orchestrator_queue", {"ActivityExecute": ACTIVITY}, {"sqlite": DROPPED, "postgresql": DROPPED}
    ),
    "start for a worker": Member(
        "worker_queue",
        {"StartOrchestration": {**START, "parent_instance": None, "parent_id": None}},
        {"sqlite": STOPS_WORKERS, "postgresql": KEPT},
    ),
    "timer for a worker": Member("worker_queue", {"TimerFired": TIMER}, {"sqlite": STOPS_WORKERS, "postgresql": KEPT}),
}


def became(store: EngineStore, queue: str) -> str:
    """What the engine made of the message: seen by an event for its instance, and by new work with an activity."""
    acts = [["event", "waiting", "go"], ["start", "after", [["activity", 1]]], ["wait", 3000]]
    store.run("play", json.dumps(acts))
    statuses = {name: one["status"] for name, one in store.admin("statuses").items()}
    if statuses["after"] != "Completed":
        return STOPS_WORKERS
    if statuses["waiting"] != "Completed":
        return STOPS_INSTANCE
    return KEPT if store.execute(f"SELECT 1 FROM {queue}") else DROPPED


@pytest.mark.parametrize("member", MEMBERS)
def test_each_is_found_and_harms(engine_store: MakeStore, flavour: Flavour, member: str) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    store.run("play", json.dumps([["start", "waiting", [["event", "go"]]], ["wait", 800]]))
    one = MEMBERS[member]
    activity = {"execution_id": 1, "activity_id": 9} if one.queue == "worker_queue" else {}
    put(store, one.queue, one.item, instance_id="waiting", **activity)
    assert [(check, name) for check, name, _ in findings(store, race_window=0)] == [("Q002", "waiting")]
    assert became(store, one.queue) == one.becomes[flavour]

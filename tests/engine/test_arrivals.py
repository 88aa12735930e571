"""What the engine makes of messages that it has had before, or that are for another time: dropped, or the end of it."""

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

Step = list[Any]
DETAILS = {"Application": {"kind": "ActivityFailed", "message": "once more", "retryable": False}}
GO: Step = ["event", "go"]
CHILD_FAILS: Step = ["child", [["raise", "by design"]]]


@dataclass(frozen=True)
class Anomaly:
    """A message for an instance that runs some steps; `check` finds it, and None says that the engine drops it.

    An answer is for event 2 of execution 1, unless `execution_id` says otherwise.
    """

    steps: list[Step]
    kind: str
    check: str | None
    execution_id: int = 1

    def message(self, instance: str, fire_at_ms: int) -> Mapping[str, Any]:
        of = {"instance": instance, "execution_id": self.execution_id, "id": 2}
        of_child = {"parent_instance": instance, "parent_execution_id": self.execution_id, "parent_id": 2}
        start: dict[str, Any] = {"instance": instance, "orchestration": "Program", "input": "[]", "version": None}
        nobody: dict[str, Any] = {"parent_instance": None, "parent_id": None, "execution_id": 1}
        said: dict[str, dict[str, Any]] = {
            "ActivityCompleted": {**of, "result": "1"},
            "ActivityFailed": {**of, "details": DETAILS},
            "TimerFired": {**of, "fire_at_ms": fire_at_ms},
            "SubOrchCompleted": {**of_child, "result": "1"},
            "SubOrchFailed": {**of_child, "details": DETAILS},
            "StartOrchestration": {**start, **nobody},
            "ContinueAsNew": start,
        }
        return {self.kind: said[self.kind]}


DONE, FAILED, FIRED = [["activity", 1], GO], [["failing"], GO], [["timer", 1], GO]
CHILD_DONE, CHILD_FAILED = [["child", []], GO], [CHILD_FAILS, GO]
AGAIN: list[Step] = [["activity", 1], ["again", [["failing"], GO]]]

ANOMALIES = {
    "result after result": Anomaly(DONE, "ActivityCompleted", None),
    "failure after result": Anomaly(DONE, "ActivityFailed", "Q017"),
    "result after failure": Anomaly(FAILED, "ActivityCompleted", "Q017"),
    "failure after failure": Anomaly(FAILED, "ActivityFailed", "Q017"),
    "fired twice": Anomaly(FIRED, "TimerFired", None),
    "child's result after result": Anomaly(CHILD_DONE, "SubOrchCompleted", None),
    "child's failure after result": Anomaly(CHILD_DONE, "SubOrchFailed", "Q017"),
    "child's result after failure": Anomaly(CHILD_FAILED, "SubOrchCompleted", "Q017"),
    "child's failure after failure": Anomaly(CHILD_FAILED, "SubOrchFailed", None),
    "answer to nothing": Anomaly([GO], "ActivityCompleted", "Q008"),
    "answer to an earlier execution": Anomaly(AGAIN, "ActivityFailed", None),
    "answer to a later execution": Anomaly(DONE, "ActivityFailed", None, execution_id=2),
    "start of what runs": Anomaly(DONE, "StartOrchestration", None),
    "start of what has ended": Anomaly([], "StartOrchestration", None),
    "continuation of what runs": Anomaly(DONE, "ContinueAsNew", "Q016"),
    "continuation of what has ended": Anomaly([], "ContinueAsNew", None),
    "answer to what has ended": Anomaly([["failing"]], "ActivityFailed", None),
}


def asked_for(store: EngineStore, instance: str) -> int:
    """Return the time that the instance's timer asks for in ms since the epoch, 0 where it has none."""
    data = store.execute("SELECT event_data FROM history WHERE instance_id = ? AND event_id = 2", instance)
    return int(json.loads(data[0][0]).get("fire_at_ms", 0)) if data else 0


@pytest.mark.parametrize("version", ENGINES)
def test_what_harms_is_found_and_nothing_else(engine_store: MakeStore, version: str, flavour: Flavour) -> None:
    store = engine_store(version, flavour, ())
    starts: list[Step] = [["start", name, anomaly.steps] for name, anomaly in ANOMALIES.items()]
    store.run("play", json.dumps([*starts, ["wait", 4000]]))
    assert findings(store) == []
    before = {name: one["status"] for name, one in store.admin("statuses").items()}
    for name, anomaly in ANOMALIES.items():
        put(store, "orchestrator_queue", anomaly.message(name, asked_for(store, name)), instance_id=name)
    found = {(instance, check) for check, instance, _ in findings(store)}
    assert found == {(name, anomaly.check) for name, anomaly in ANOMALIES.items() if anomaly.check}
    store.run("play", json.dumps([["wait", 3000]]))
    after = {name: one["status"] for name, one in store.admin("statuses").items()}
    harmed = {name for name in ANOMALIES if after[name] != before[name]}
    assert harmed == {name for name, anomaly in ANOMALIES.items() if anomaly.check}

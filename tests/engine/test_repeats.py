"""What the engine makes of an activity that is queued once more, and that a repair takes it out in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import EngineStore, Flavour, MakeStore
from engine.test_queues import put
from engine.test_untouched import findings
from holystone.cli.main import run

pytestmark = pytest.mark.long

GO = ["event", "go"]
REPEATED: dict[str, tuple[list[Any], dict[str, str]]] = {
    "fails": ([["failing"], GO], {"name": "Fail", "input": '"by design"'}),
    "works": ([["activity", 1], GO], {"name": "Echo", "input": "1"}),
}


def repeat(store: EngineStore) -> None:
    """Queue once more what the event that asked for it says."""
    for name in REPEATED:
        ((text,),) = store.execute(
            "SELECT event_data FROM history WHERE instance_id = ? AND event_data LIKE '%\"ActivityScheduled\"%'", name
        )
        event = json.loads(text)
        item = {"instance": name, "execution_id": 1, "id": event["event_id"]}
        item |= {field: event[field] for field in ("name", "input")}
        identity = {"instance_id": name, "execution_id": 1, "activity_id": event["event_id"]}
        put(store, "worker_queue", {"ActivityExecute": item}, **identity)


def statuses(store: EngineStore) -> dict[str, str]:
    return {name: one["status"] for name, one in store.admin("statuses").items()}


def test_answered_ones(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ())
    starts = [["start", name, steps] for name, (steps, _) in REPEATED.items()]
    store.run("play", json.dumps([*starts, ["wait", 2500]]))
    assert findings(store, race_window=0) == []
    repeat(store)
    found = {("Q013", name) for name in REPEATED}
    assert {(check, name) for check, name, _ in findings(store, race_window=0)} == found
    # The engine runs both, and fails the one whose second answer it does not drop.
    store.run("play", json.dumps([["wait", 2500]]))
    assert store.execute("SELECT 1 FROM worker_queue") == []
    assert statuses(store) == {"fails": "Failed", "works": "Running"}


def test_repaired_ones(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ())
    starts = [["start", name, steps] for name, (steps, _) in REPEATED.items()]
    store.run("play", json.dumps([*starts, ["wait", 2500]]))
    repeat(store)
    assert run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", "--level", "deep"]) == 0
    assert findings(store, race_window=0) == []
    store.run("play", json.dumps([*(["event", name, "go"] for name in REPEATED), ["wait", 2500]]))
    assert set(statuses(store).values()) == {"Completed"}


def test_waiting_ones(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    """An activity that no worker takes, for its tag, is doubled as it stands, and is single again after the repair."""
    store = engine_store(engine_version, flavour, ["routed", "work-outstanding"])
    assert findings(store, race_window=0) == []
    columns = "work_item, visible_at, instance_id, execution_id, activity_id, session_id, tag, created_at"
    before = store.execute(f"SELECT {columns} FROM worker_queue WHERE lock_token IS NULL ORDER BY id")
    assert before
    store.execute(f"INSERT INTO worker_queue ({columns}) SELECT {columns} FROM worker_queue WHERE lock_token IS NULL")
    found = sorted({name for check, name, _ in findings(store, race_window=0) if check == "Q013"})
    assert found == sorted({row[2] for row in before})
    assert run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", "--level", "deep"]) == 0
    assert findings(store, race_window=0) == []
    assert store.execute(f"SELECT {columns} FROM worker_queue WHERE lock_token IS NULL ORDER BY id") == before

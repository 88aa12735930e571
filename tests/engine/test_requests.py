"""What the engine makes of a message that somebody has altered, and that a repair makes it what it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import EngineStore, Flavour, MakeStore
from contents import contents
from engine.test_untouched import findings
from holystone.cli.main import run

pytestmark = pytest.mark.long

SCENARIOS = ["between-stopped", "routed", "timers", "work-outstanding"]
QUEUES = ("orchestrator_queue", "worker_queue")
ALTERED: dict[str, tuple[str, Any]] = {
    "ActivityExecute": ("input", "altered"),
    "ContinueAsNew": ("input", "99"),
    "TimerFired": ("fire_at_ms", 4_102_444_800_001),
}
"""Kind of message -> the field that is altered, and what it is then."""


def messages(store: EngineStore) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
    """Return the messages of the kinds that are altered, by queue and id."""
    rows = {
        (queue, row_id): json.loads(text)
        for queue in QUEUES
        for row_id, text in store.execute(f"SELECT id, work_item FROM {queue}")
    }
    return {key: item for key, item in rows.items() if ALTERED.keys() & item.keys()}


def alter(store: EngineStore, kinds: set[str]) -> set[str]:
    """Alter all messages of these kinds; return the instances that they are for."""
    instances = set()
    for (queue, row_id), item in messages(store).items():
        ((kind, fields),) = item.items()
        if kind in kinds:
            name, value = ALTERED[kind]
            instances.add(fields["instance"])
            text = json.dumps({kind: {**fields, name: value}})
            store.execute(f"UPDATE {queue} SET work_item = ? WHERE id = ?", text, row_id)
    return instances


def repair(store: EngineStore, *options: str) -> None:
    run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", "--level", "deep", *options])


def test_altered_ones_are_as_they_were(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, SCENARIOS)
    assert findings(store, race_window=0) == []
    wrote = messages(store)
    assert {kind for item in wrote.values() for kind in item} == ALTERED.keys()
    altered = alter(store, set(ALTERED))
    found = findings(store, race_window=0)
    assert {name for check, name, _ in found if check == "Q015"} == altered
    assert {check for check, _, _ in found} <= {"Q010", "Q015"}
    repair(store)
    # Of an activity's input nothing else tells.
    activities = {fields["instance"] for item in wrote.values() for kind, fields in item.items() if "Act" in kind}
    assert {name for _, name, _ in findings(store, race_window=0)} == activities
    repair(store, "--unsafe", "restore-request")
    assert findings(store, race_window=0) == []
    assert messages(store) == wrote


def test_event_that_was_altered_is_not_copied(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ["between-stopped"])
    store.execute(
        """UPDATE history SET event_data = replace(event_data, '"input":"2"', '"input":"99"')"""
        """ WHERE event_data LIKE '%"OrchestrationContinuedAsNew"%'"""
    )
    assert {check for check, _, _ in findings(store, race_window=0)} == {"E006", "Q015"}
    before = contents(store)
    repair(store)
    assert contents(store) == before


def test_engine_goes_by_the_message(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ["between-stopped"])
    assert alter(store, {"ContinueAsNew"}) == {"between-stopped"}
    store.run("run", "--seconds", "1.5")
    ((text,),) = store.execute("SELECT event_data FROM history WHERE execution_id = 2 AND event_id = 1")
    assert json.loads(text)["input"] == "99"

"""Damages that the engine suffers from without a word, in its own stores: a deep check finds each, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from conftest import ENGINES, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.cli.main import run

LATEST = ENGINES[-1]


def nested(store: EngineStore) -> None:
    """A field that no engine knows, deeper than the engine's parser goes; the event would be sound without it."""
    ((text,),) = store.execute("SELECT event_data FROM history WHERE instance_id = 'waiting' AND event_id = 1")
    deep = str(text)[:-1] + ',"more":' + "[" * 200 + "]" * 200 + "}"
    store.execute("UPDATE history SET event_data = ? WHERE instance_id = 'waiting' AND event_id = 1", deep)


def continued_twice(store: EngineStore) -> None:
    columns = "instance_id, work_item, visible_at, created_at"
    store.execute(
        f"INSERT INTO orchestrator_queue ({columns}) SELECT {columns} FROM orchestrator_queue"
        " WHERE instance_id = 'between-stopped'"
    )


def timer_lost(store: EngineStore) -> None:
    store.execute("DELETE FROM orchestrator_queue WHERE instance_id = 'outstanding-live'")


def last_event_lost(store: EngineStore) -> None:
    """The subscription for which the message has come that lies in the queue: the engine would throw it away."""
    store.run("raise-event", "waiting", "go", "null")
    ((last,),) = store.execute("SELECT max(event_id) FROM history WHERE instance_id = 'waiting'")
    store.execute("DELETE FROM history WHERE instance_id = 'waiting' AND event_id = ?", last)


def parent_gone(store: EngineStore) -> None:
    """A child is to begin whose parent is not there."""
    store.run("start", "child", "Wait", "null")
    ((text,),) = store.execute("SELECT work_item FROM orchestrator_queue WHERE instance_id = 'child'")
    named = str(text).replace('"parent_instance":null,"parent_id":null', '"parent_instance":"gone","parent_id":2')
    assert named != text
    store.execute("UPDATE orchestrator_queue SET work_item = ? WHERE instance_id = 'child'", named)


@dataclass(frozen=True)
class Silent:
    scenario: str
    instance: str
    damage: Callable[[EngineStore], None]
    check: str


SILENT = {
    "event nested 200 deep": Silent("waiting", "waiting", nested, "H005"),
    "second ContinueAsNew": Silent("between-stopped", "between-stopped", continued_twice, "Q016"),
    "last event lost beside a message": Silent("waiting", "waiting", last_event_lost, "I011"),
    "start of a child without parent": Silent("waiting", "child", parent_gone, "Q018"),
    "timer lost beside an event": Silent("work-outstanding", "outstanding-live", timer_lost, "I009"),
}


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize("name", SILENT)
def test_each_is_found(engine_store: MakeStore, flavour: Flavour, name: str) -> None:
    silent = SILENT[name]
    store = engine_store(LATEST, flavour, [silent.scenario])
    assert findings(store, race_window=0) == []
    silent.damage(store)
    found = findings(store, race_window=0)
    assert {(check, instance) for check, instance, _ in found} == {(silent.check, silent.instance)}
    # None of them has a repair that is safe, so nothing says Clean afterwards either.
    run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0"])
    assert findings(store, race_window=0) == found

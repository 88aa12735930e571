"""What tests of `why` have in common: all instances of a store diagnosed, and the engine set to work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import holystone
from conftest import EngineStore
from holystone.diagnosis.model import Diagnosis
from holystone.store import Store

WORKS_MS = 2_500
"""How long the engine works in a round."""
PATIENCE = 10
"""Rounds that a busy machine may need for what takes one."""
LAST_ATTEMPT = 10

Progress = Mapping[str, tuple[int, int]]
"""Instance -> how many events it has, and its last execution."""


def progress(store: EngineStore) -> Progress:
    rows = store.execute("SELECT instance_id, count(*), max(execution_id) FROM history GROUP BY instance_id")
    return {str(one): (int(events), int(execution)) for one, events, execution in rows}


def instances(store: EngineStore) -> list[str]:
    """Every instance of which there is anything."""
    tables = ("instances", "executions", "history", "orchestrator_queue")
    found = [row[0] for table in tables for row in store.execute(f"SELECT DISTINCT instance_id FROM {table}")]
    return sorted(set(map(str, found)))


def diagnosed(store: EngineStore) -> dict[str, Diagnosis]:
    opened = Store.open(store.target, store.schema, read_only=True)
    return {one: holystone.why(opened, one) for one in instances(store)}


def now(store: EngineStore) -> object:
    """This moment, as a queue has it."""
    return int(time.time() * 1000) if store.flavour == "sqlite" else datetime.now(UTC)


def works(store: EngineStore, acts: Sequence[Any], for_ms: int = WORKS_MS) -> None:
    """Let a runtime that takes activities of every tag work while a client acts, and for a while after."""
    store.run("play", json.dumps([["restart", "every tag"], *acts, ["wait", for_ms]]))


def works_until(store: EngineStore, acts: Sequence[Any], holds: Callable[[], bool]) -> None:
    """Let it work until something holds, or for some rounds."""
    works(store, acts)
    for _ in range(PATIENCE):
        if holds():
            return
        works(store, ())


def works_to_the_end(store: EngineStore, instances: Collection[str], acts: Sequence[Any] = ()) -> None:
    """Let it work until instances have ended, or for some rounds."""
    ends = 'event_data LIKE \'%"type":"OrchestrationCompleted"%\' OR event_data LIKE \'%"type":"OrchestrationFailed"%\''
    ended = f"SELECT DISTINCT instance_id FROM history WHERE {ends}"
    works_until(store, acts, lambda: set(instances) <= {str(one) for (one,) in store.execute(ended)})

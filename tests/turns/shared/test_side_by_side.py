"""The engine and holystone on one store at the same time: each takes what turns it can get, and none is lost."""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore, Originals, copy_sqlite
from engine.test_untouched import findings
from holystone.store import Store
from turns.kit import ENGINE as OURS
from turns.kit import Kit
from turns.shared.outcome import Outcome, outcome
from turns.shared.runtime import Runtime

KINDS: dict[str, tuple[str, Any]] = {
    "chain": ("Chain", {"number": 1, "last": 4}),
    "keys": ("Keys", {"again": True}),
    "parent-of-chain": ("ParentOfChain", None),
    "timer": ("Timer", 5),
    "work": ("Work", 21),
}
ROOTS = {f"{kind}-{number}": given for number in range(8) for kind, given in KINDS.items()}
PATIENCE_S = 60

pytestmark = pytest.mark.long


def start_all(store: Store) -> None:
    for root, (name, value) in ROOTS.items():
        Kit(store).start(root, name, input=json.dumps(value))


def run_to_the_end(store: Store) -> None:
    """Take turns until every root has ended, with rests in which others come to theirs."""
    deadline = time.monotonic() + PATIENCE_S
    ended: set[str] = set()
    while not ROOTS.keys() <= ended:
        assert time.monotonic() < deadline, ROOTS.keys() - ended
        for item in islice(Runtime(store).fetched(), 10):
            Runtime(store).take(item)
            time.sleep(0.01)
        ended = {*store.list_instances_by_status("Completed"), *store.list_instances_by_status("Failed")}


@pytest.fixture
def alone(originals: Originals, tmp_path: Path) -> Outcome:
    """What holystone leaves where it is alone."""
    file = tmp_path / "alone.db"
    copy_sqlite(Path(originals(ENGINES[-1], "sqlite", ()).target), file)
    store = Store.open(str(file))
    start_all(store)
    while any(store.get_status(root).status != "Completed" for root in ROOTS):
        Runtime(store).run()
    store.close()
    return outcome(EngineStore(str(file), None, ENGINES[-1], "sqlite", {}))


def test_all_turns_are_taken_once(
    engine_store: MakeStore, engine_version: str, flavour: Flavour, alone: Outcome
) -> None:
    made = engine_store(engine_version, flavour, ())
    store = Store.open(made.target, made.schema)
    start_all(store)
    process = made.start("run", "--seconds", str(PATIENCE_S))
    try:
        run_to_the_end(store)
    finally:
        process.kill()
        process.communicate()
    assert findings(made) == []
    written = [json.loads(data)["duroxide_version"] for (data,) in made.execute("SELECT event_data FROM history")]
    assert OURS in written
    assert set(written) - {OURS}
    left = outcome(made)
    failed = [one for one, rows in left.items() if rows["executions"][-1][1] != "Completed"]
    if flavour == "sqlite":
        # Turned away by SQLite some times in a row, the engine fails an orchestration for good.
        assert all("database is locked" in left[one]["executions"][-1][2] for one in failed)
        assert len(failed) < len(ROOTS) / 4
    else:
        assert failed == []
    assert left.keys() == alone.keys() or failed
    assert {one: rows for one, rows in left.items() if one not in failed} == {
        one: rows for one, rows in alone.items() if one in left and one not in failed
    }

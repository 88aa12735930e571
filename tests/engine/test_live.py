"""Checking and repairing while the engine is at work."""

from __future__ import annotations

import time
from subprocess import Popen

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.cli.main import run
from holystone.mend.runs import read_runs
from holystone.store import Store

pytestmark = pytest.mark.long

BUSY_SECONDS = 10


def busy(store: EngineStore) -> Popen[str]:
    """Start an engine at full load on the store, and return its process once it is at work."""
    load = store.start("load", "--seconds", str(BUSY_SECONDS))
    assert load.stdout is not None
    load.stdout.readline()
    return load


def found_amiss(store: EngineStore) -> list[tuple[str, str, int | None]]:
    """Return the findings, less those of a fault that the engine has under load.

    Where an ack fails for good, which on SQLite lock contention is enough for, the engine fails the execution and
    tells no parent; after a first turn it leaves a failed execution with one event and no instance.
    """
    return [finding for finding in findings(store) if not is_of_the_engine(store, *finding)]


def is_of_the_engine(store: EngineStore, check: str, instance: str, execution: int | None) -> bool:
    if check == "E007":
        ((events,),) = store.execute("SELECT count(*) FROM history WHERE instance_id = ?", instance)
        return bool(events <= 1)
    if check == "I007":
        children = "SELECT count(*) FROM executions WHERE instance_id LIKE ? AND output LIKE 'infrastructure:%'"
        ((failed,),) = store.execute(children, f"{instance}::sub::%")
        return bool(failed)
    return False


def test_store_under_load_is_clean(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    load = busy(store)
    scans, largest = 0, 0
    while load.poll() is None:
        assert found_amiss(store) == []
        scans += 1
        ((largest,),) = store.execute("SELECT count(*) FROM executions")
        time.sleep(0.05)
    load.communicate()
    assert load.returncode == 0
    # A busy machine gets through few checks in these seconds.
    assert scans > 1
    assert largest > 20
    assert found_amiss(store) == []


def test_repair_under_load_harms_nothing(engine_store: MakeStore, flavour: Flavour) -> None:
    """Rows that drift again and again while turns are taken are mended, and never a live one made to look ended."""
    store = engine_store(ENGINES[-1], flavour, ())
    load = busy(store)
    rounds = 0
    while load.poll() is None:
        # The drift of an old engine on whatever has ended by now, as one statement so that no turn is split.
        store.execute(
            "UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL"
            " WHERE status IN ('Completed', 'Failed')"
        )
        assert run(["repair", "apply", *store.arguments, "--yes"]) in (0, 1)
        rounds += 1
    load.communicate()
    # Nothing had ended in the first round yet; how many there are after it is a matter of the machine's speed.
    assert rounds > 1
    assert read_runs(Store.open(store.target, store.schema, read_only=True)) != []
    assert run(["repair", "apply", *store.arguments, "--yes"]) == 0
    assert found_amiss(store) == []

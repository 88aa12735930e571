"""Repairs that are killed, or that run twice at once, leave each row either as it was or changed and journaled."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents, rows, tables
from holystone.cli.main import run
from holystone.demo.scribe import Scribe, completed, started
from holystone.demo.story import OLD_ENGINE
from holystone.mend.runs import read_runs
from holystone.store import Store

pytestmark = pytest.mark.long

DRIFTED = 1_500
KILLED_AT = 200


@pytest.fixture
def drifted(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    made = engine_store(ENGINES[-1], flavour, ())
    store = Store.open(made.target, made.schema)
    with store.transaction() as connection:
        scribe = Scribe(connection, store.flavour)
        for number in range(DRIFTED):
            scribe.execution(f"order-{number:04}", started(), completed(f'"{number}"'))
    made.execute(OLD_ENGINE)
    return made


def start_apply(store: EngineStore) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "holystone", "repair", "apply", *store.arguments, "--yes"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def journaled(store: EngineStore) -> set[str]:
    if "holystone_changes" not in tables(store):
        return set()
    keys = store.execute("SELECT row_key FROM holystone_changes WHERE undone_by IS NULL")
    assert len(keys) == len(set(keys)), "a row was changed twice"
    return {str(key) for (key,) in keys}


def repaired(store: EngineStore) -> set[str]:
    found = store.execute("SELECT instance_id FROM executions WHERE status = 'Completed' ORDER BY instance_id")
    return {f'{{"execution_id": 1, "instance_id": "{instance}"}}' for (instance,) in found}


def test_killed_apply_can_be_gone_on_with_and_undone(drifted: EngineStore) -> None:
    before = contents(drifted)
    process = start_apply(drifted)
    while process.poll() is None and len(journaled(drifted)) < KILLED_AT:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert journaled(drifted) == repaired(drifted)

    assert run(["repair", "apply", *drifted.arguments, "--yes"]) == 0
    assert journaled(drifted) == repaired(drifted)
    assert len(repaired(drifted)) == DRIFTED
    assert run(["check", *drifted.arguments]) == 0

    for one in read_runs(Store.open(drifted.target, drifted.schema, read_only=True)):
        if one.kind == "apply":
            assert run(["repair", "undo", *drifted.arguments[:1], one.run_id, *drifted.arguments[1:], "--yes"]) == 0
    assert contents(drifted) == before


def test_two_at_once_change_each_row_once(drifted: EngineStore) -> None:
    processes = [start_apply(drifted) for _ in range(2)]
    # Each row is done by one of them; what the other finds done is no failure of its own.
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert journaled(drifted) == repaired(drifted)
    assert len(repaired(drifted)) == DRIFTED
    assert len(rows(drifted, "holystone_changes")) == DRIFTED

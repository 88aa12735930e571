"""Other processes help to run a prefilter, see it as this one does, and may die of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from damaged_index import let_index_show
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.prefilters import boundary_events, run
from holystone.scan.scan import Scan
from holystone.scan.watermark import Coverage
from holystone.store import Store

pytestmark = pytest.mark.slow


# No process is forked from one that has threads, as those of the tests have.
SCRIPT = """
import multiprocessing, os, sys
from sqlalchemy import select
from holystone.scan import key_ranges
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.scan.prefilters import boundary_events, workers, run
from holystone.scan.watermark import Coverage
from holystone.store import Store
from holystone.duroxide.tables import executions

target, schema, level, mishap = sys.argv[1:]
run.EXECUTIONS_PER_RANGE = key_ranges.INSTANCES_PER_STATEMENT = 2
boundary_events.rows_per_range = lambda rows, jobs: 2
run._WORTH_FORKING = 0
helped = []
filtered = workers.ForkedWorker.run

def watched(worker, job):
    helped.append(os.getpid() != worker._process.pid)
    if mishap == "killed" and len(helped) == 2:
        worker._process.kill()
        worker._process.join()
    return filtered(worker, job)

workers.ForkedWorker.run = watched
store = Store.open(target, schema or None, read_only=True)
coverage = None
if mishap == "some":
    with store.snapshot() as connection:
        some = connection.execute(select(executions.c.instance_id).distinct()).scalars().all()
    coverage = Coverage("", {}, begun_ms=0, full_at_ms=0, instances=some)
scan = Scan(store, select_checks(Level[level]), level=Level[level], coverage=coverage, jobs=3)
for finding in scan:
    print(finding.check.id, finding.instance_id, finding.execution_id)
assert helped and all(helped)
assert scan.verdict == "drift", scan.verdict
assert multiprocessing.active_children() == []
"""


@pytest.fixture
def drifted(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    made = engine_store(ENGINES[-1], flavour, ["completed", "chains", "parents", "waiting"])
    made.execute("UPDATE executions SET status = 'Running' WHERE status = 'Completed'")
    made.execute("DELETE FROM history WHERE event_id = 2")
    made.execute("UPDATE instances SET parent_instance_id = 'nobody'")
    return made


@pytest.mark.parametrize(
    "mishap", ["", pytest.param("some", marks=pytest.mark.long), pytest.param("killed", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("level", ["standard", "deep"])
def test_workers_change_nothing(drifted: EngineStore, level: str, mishap: str) -> None:
    command = [sys.executable, "-c", SCRIPT, drifted.target, drifted.schema or "", level, mishap]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert sorted(ran.stdout.splitlines()) == sorted(" ".join(map(str, row)) for row in found(drifted, Level[level]))


def found(made: EngineStore, level: Level) -> list[tuple[Any, ...]]:
    store = Store.open(made.target, made.schema, read_only=True)
    return [
        (one.check.id, one.instance_id, one.execution_id) for one in Scan(store, select_checks(level), prefilters=())
    ]


BESIDE = """
import os, sys
from holystone.flavours.sqlite.structure import SQLiteStructure
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.prefilters import prefilter, run, workers
from holystone.scan.scan import Scan
from holystone.store import Store

target, mishap = sys.argv[1:]
run.EXECUTIONS_PER_RANGE = 2
run._WORTH_FORKING = 0
if mishap == "given up":
    prefilter._FEW = 0
looks = os.open(target + ".looks", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
damages, here = SQLiteStructure.damages, os.getpid()

def looked(structure, connection, tables):
    os.write(looks, b"here " if os.getpid() == here else b"elsewhere ")
    return damages(structure, connection, tables)

def lost(done, worker, job):
    if mishap != "lost" or job.func is not run._seen:
        return done(worker, job)
    if isinstance(worker, workers.LocalWorker):
        return None
    worker._process.kill()
    return done(worker, job)

SQLiteStructure.damages = looked
for one in (workers.LocalWorker, workers.ForkedWorker):
    one.run = lambda worker, job, done=one.run: lost(done, worker, job)
scan = Scan(Store.open(target, read_only=True), select_checks(Level.deep), level=Level.deep, jobs=2)
for finding in scan:
    print(finding.check.id, finding.instance_id, finding.execution_id)
assert scan.verdict == "drift", scan.verdict
assert scan.database_check_seconds > 0
assert scan._ahead or mishap
"""


@pytest.mark.parametrize(("mishap", "times"), [("", {1}), ("lost", {1, 2}), ("given up", {1, 2})])
def test_database_is_checked_beside_the_prefilter(engine_store: MakeStore, mishap: str, times: set[int]) -> None:
    """And once more where that came to nothing: where a process is lost, or nobody waits for it."""
    made = engine_store(ENGINES[-1], "sqlite", ["completed", "chains", "parents", "waiting"])
    made.execute("UPDATE executions SET status = 'Running' WHERE status = 'Completed'")
    unseen = "INSERT INTO orchestrator_queue (instance_id, work_item) VALUES ('nobody', '')"
    let_index_show(made.target, "idx_orch_visible", unseen)
    command = [sys.executable, "-c", BESIDE, made.target, mishap]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "S009 None None" in ran.stdout
    assert sorted(ran.stdout.splitlines()) == sorted(" ".join(map(str, row)) for row in found(made, Level.deep))
    assert len(Path(f"{made.target}.looks").read_text().split()) in times


@pytest.mark.parametrize("level", [Level.standard, Level.deep], ids=lambda level: level.name)
def test_prefilter_gives_up_where_all_are_in_doubt(
    drifted: EngineStore, level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "EXECUTIONS_PER_RANGE", 2)
    monkeypatch.setattr(boundary_events, "rows_per_range", lambda rows, jobs: 2)
    monkeypatch.setattr("holystone.scan.prefilters.prefilter._FEW", 0)
    store = Store.open(drifted.target, drifted.schema, read_only=True)
    scan = Scan(store, select_checks(level))
    assert sorted((one.check.id, one.instance_id, one.execution_id) for one in scan) == sorted(found(drifted, level))
    executions = drifted.execute("SELECT count(*) FROM executions")[0][0]
    assert scan.scanned["executions"] == executions


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("level", [Level.standard, Level.deep], ids=lambda level: level.name)
def test_some_instances_are_prefiltered_beside_other_scans(drifted: EngineStore, level: Level, jobs: int) -> None:
    threads = threading.active_count()
    store = Store.open(drifted.target, drifted.schema, read_only=True)
    some = sorted({row[0] for row in drifted.execute("SELECT instance_id FROM executions")})
    coverage = Coverage("", {}, begun_ms=0, full_at_ms=0, instances=some)
    scan = Scan(store, select_checks(level), coverage=coverage, jobs=jobs)
    assert sorted((one.check.id, one.instance_id, one.execution_id) for one in scan) == sorted(found(drifted, level))
    assert scan.scanned["instances"] == len(some)
    another = Scan(store, select_checks(level), coverage=coverage, jobs=jobs)
    with closing(iter(another)) as findings:
        next(findings)
    assert threading.active_count() == threads, "whoever stops listening stops the prefilter as well"


ABANDONED = """
import os, signal, sys
from holystone.scan.prefilters import PREFILTERS, workers
from holystone.store import Store

target, schema = sys.argv[1:]
store = Store.open(target, schema or None, read_only=True)
with workers.forked_workers(2, PREFILTERS[0], store) as others:
    with store.snapshot() as connection:
        others[0].begin(store.flavour.export_snapshot(connection))
    print(*(worker._process.pid for worker in others), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_do_not_outlive_their_parent(drifted: EngineStore) -> None:
    command = [sys.executable, "-c", ABANDONED, drifted.target, drifted.schema or ""]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    # They hold its stdout and stderr, so it is only over when they are gone.
    assert ran.returncode == -signal.SIGKILL
    assert (len(ran.stdout.split()), ran.stderr) == (2, "")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE history SET event_data = CAST(event_data AS BLOB)",
        "UPDATE history SET event_data = CAST(x'7bff7d' AS TEXT) WHERE event_id = 1",
        "UPDATE executions SET output = CAST(x'ff' AS TEXT)",
        "UPDATE instances SET orchestration_name = CAST(x'ff' AS TEXT)",
        "UPDATE executions SET instance_id = CAST(instance_id AS BLOB)",
        "UPDATE history SET instance_id = CAST(instance_id AS BLOB)",
        "UPDATE instances SET current_execution_id = 'x'",
        "UPDATE history SET event_id = 'x' WHERE event_id = 2",
        "DELETE FROM instances",
        "DELETE FROM executions",
        "DELETE FROM history",
    ],
)
@pytest.mark.long
@pytest.mark.parametrize("level", [Level.standard, Level.deep], ids=lambda level: level.name)
def test_prefilter_takes_what_only_sqlite_keeps(engine_store: MakeStore, damage: str, level: Level) -> None:
    made = engine_store(ENGINES[-1], "sqlite", ["completed", "chains"])
    made.execute("PRAGMA foreign_keys = OFF")
    made.execute(damage)
    store = Store.open(made.target, made.schema, read_only=True)
    scan = Scan(store, select_checks(level))
    assert {(one.check.id, one.instance_id, one.execution_id) for one in scan} == set(found(made, level))
    assert scan.verdict != "incomplete"

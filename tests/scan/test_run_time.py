"""Whatever the moment at which the run time is over: no false finding, never clean, and the rest can be looked at."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from bench import store as bench_store
from conftest import ENGINES, EngineStore, Flavour, MakeStore, Serve
from countdown import Countdown, counting
from holystone import check
from holystone.errors import OutOfTimeError, StoreUnavailableError
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Outcome, Verdict
from holystone.scan.scan import Scan
from holystone.store.open_store import OpenStore
from holystone.store.run_time import RunTime

DRIFT = (
    "UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL WHERE status = 'Completed'",
    "UPDATE executions SET output = 'of nobody' WHERE status = 'Failed'",
    "DELETE FROM history WHERE event_id = 2",
)
Findings = dict[str, set[str]]


def looked(store: OpenStore, ids: Sequence[str] = (), jobs: int = 1) -> tuple[Scan, Findings]:
    """Return a scan that is over, and the fingerprints that each check has found."""
    scan = Scan(store, select_checks(Level.deep, ids), level=Level.deep, jobs=jobs)
    found: Findings = {}
    for finding in scan:
        found.setdefault(finding.check.id, set()).add(finding.fingerprint)
    return scan, found


def assert_true(scan: Scan, found: Findings, whole: Findings, store: OpenStore) -> None:
    """Assert that what a scan says is so, and that the checks which it has left find the rest."""
    for id, fingerprints in found.items():
        assert fingerprints <= whole[id]
    done = [id for id, result in scan.results.items() if result.outcome in (Outcome.clean, Outcome.found)]
    for id in done:
        assert found.get(id, set()) == whole.get(id, set())
    if not scan.unfinished:
        assert (scan.verdict, found) == (Verdict.drift, whole)
        return
    assert scan.verdict is Verdict.incomplete
    assert not scan.verifies
    assert all("The run time of " in str(scan.results[id].reason) for id in scan.unfinished)
    assert {id for id, result in scan.results.items() if result.outcome is Outcome.failed} == set(scan.unfinished)
    _, rest = looked(store, scan.unfinished)
    assert {**{id: found[id] for id in done if id in found}, **rest} == whole


@pytest.fixture
def drifted(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    made = engine_store(ENGINES[-1], flavour, ["completed", "failed", "chains", "waiting", "key-values"])
    for statement in DRIFT:
        made.execute(statement)
    return made


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("interrupted", [False, True])
def test_any_statement_may_be_the_last(drifted: EngineStore, interrupted: bool, jobs: int) -> None:
    store = OpenStore.open(drifted.target, drifted.schema, read_only=True)
    all_of_it = Countdown(1_000_000, interrupted=False)
    with counting(all_of_it):
        whole = looked(store.bounded(all_of_it), jobs=jobs)[1]
    assert len(whole) > 3
    statements = 1_000_000 - all_of_it.statements
    stopped = 0
    for number in random.Random(jobs).sample(range(1, statements), 12):
        countdown = Countdown(number, interrupted=interrupted)
        with counting(countdown):
            scan, found = looked(store.bounded(countdown), jobs=jobs)
        stopped += bool(scan.unfinished)
        assert_true(scan, found, whole, store)
    assert stopped > 5


@pytest.fixture
def large(flavour: Flavour, servers: Serve, tmp_path: Path) -> Iterator[OpenStore]:
    """A store of some thousand executions, of which some have drifted."""
    file = tmp_path / "store.db"
    bench_store.build(file, 6000, drift=40)
    if flavour == "sqlite":
        yield OpenStore.open(str(file), read_only=True)
        return
    url = servers(0).create_database(name := f"holystone_bound_{tmp_path.parent.name[-3:].strip('-')}")
    bench_store.main([str(file), "--postgresql", url, "--schema", "bench"])
    yield OpenStore.open(url, "bench", read_only=True)
    servers(0).drop_database(name)


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 3])
def test_any_moment_may_be_the_last(large: OpenStore, jobs: int) -> None:
    begun = time.monotonic()
    whole = looked(large, jobs=jobs)[1]
    takes = time.monotonic() - begun
    draw, stopped = random.Random(7), 0
    for _ in range(25):
        run_time = RunTime(draw.uniform(0, takes))
        scan, found = looked(large.bounded(run_time), jobs=jobs)
        assert run_time.is_over or not scan.unfinished
        assert not scan.unfinished or time.monotonic() - run_time._over_at < 1.5
        stopped += bool(scan.unfinished)
        assert_nothing_left(large)
        assert_true(scan, found, whole, large)
    assert stopped > 10


def assert_nothing_left(store: OpenStore) -> None:
    """Assert that no transaction is left, and that what the engine wrote can be taken into the file at once."""
    if store.target.path is not None:
        with closing(sqlite3.connect(store.target.path, timeout=0)) as connection:
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        return
    wanted = "SELECT state, query FROM pg_stat_activity WHERE application_name = 'holystone'"
    wanted += " AND datname = current_database()"
    deadline = time.monotonic() + 0.5  # a backend is seen for a moment after its client has gone
    with psycopg.connect(url_of(store), autocommit=True) as connection:
        while left := connection.execute(wanted.encode()).fetchall():
            assert time.monotonic() < deadline, left
            time.sleep(0.02)


def url_of(store: OpenStore) -> str:
    assert store.target.url is not None
    return store.target.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_one_long_statement_is_interrupted(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed"])
    store = OpenStore.open(made.target, made.schema, read_only=True).bounded(RunTime(0.3))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    begun = time.monotonic()
    with pytest.raises(OutOfTimeError), store.snapshot() as connection:
        connection.execute(text(endless))
    assert 0.3 <= time.monotonic() - begun < 2
    assert_nothing_left(store)


def test_nothing_begins_once_it_is_over(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed"])
    scan = Scan(OpenStore.open(made.target, made.schema, read_only=True).bounded(RunTime(0)), select_checks(Level.deep))
    assert list(scan) == []
    assert {scan.results[id].outcome for id in scan.unfinished} == {Outcome.failed}
    assert scan.verdict is Verdict.incomplete


def test_server_ends_what_nobody_here_can(engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], "postgresql", ["completed"])
    store = OpenStore.open(made.target, made.schema, read_only=True).bounded(RunTime(60))
    wanted = text("SELECT name, setting::int FROM pg_settings WHERE name LIKE '%timeout' AND unit = 'ms'")
    with store.snapshots(2) as connections:
        for connection in connections:
            ms = {name: setting for name, setting in connection.execute(wanted)}  # noqa: C416
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
                assert 60_000 < ms.get(name, 65_000) <= 65_000


def test_a_store_that_is_open_stays_unbounded(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed"])
    store = OpenStore.open(made.target, made.schema, read_only=True)
    assert check(store, run_time=1e-6).verdict == "incomplete"
    assert check(store).verdict == "clean"
    assert check(store, run_time=3600).verdict == "clean"


def test_what_was_read_without_locks_is_still_held_against_the_file(
    engine_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that nobody has open is read as it lies: where a writer comes, nothing that was found can be relied on."""
    made = engine_store(ENGINES[-1], "sqlite", ["completed", "chains"])
    for statement in DRIFT:
        made.execute(statement)
    store = OpenStore.open(made.target, read_only=True).bounded(RunTime(3600))
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    findings = iter(scan)
    next(findings)
    made.execute("DELETE FROM history")
    assert store.run_time is not None
    store.run_time._over_at = 0
    with pytest.raises(StoreUnavailableError, match="not reliable"):
        list(findings)


def test_watch_ends_with_its_context() -> None:
    before, calls = threading.active_count(), []
    with RunTime(0.05).bounding(lambda: calls.append(time.monotonic())):
        time.sleep(0.4)
    assert len(calls) > 1
    with RunTime(60).bounding(lambda: calls.append(0)):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert 0 not in calls

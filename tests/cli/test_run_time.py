"""`--run-time`: what a check costs the engine beside it is bounded, and what was not seen by then is told."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench import store as bench_store
from conftest import SCHEMA, EngineStore, Flavour, Serve
from countdown import Countdown, counting
from engine.engines import ENGINES
from holystone.cli import check as check_command
from holystone.demo.scribe import completed, started
from holystone.render import CHECK_FORMATS

from .helpers import COMMAND, STALE, Result, Run, Sample, assert_refused, clean_environment, commands_in, split
from .terminals import on_terminal
from .test_formats import READERS

AT_ONCE = ("--run-time", "0.000001")
ENOUGH = ("--run-time", "1h")
DEEP = ("--level", "deep", "--jobs", "1")


@pytest.fixture
def run_until(run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command whose time is over with its statement of that number."""

    def run_until(statement: int, *words: str) -> tuple[Result, int]:
        countdown = Countdown(statement, interrupted=True)
        monkeypatch.setattr(check_command, "_run_time", lambda seconds: countdown)
        with counting(countdown):
            result = run(*words, *ENOUGH)
        monkeypatch.undo()
        return result, statement - countdown.statements

    return run_until


@pytest.fixture
def half_way(run_until: Any, drifted: Sample) -> int:
    """The statement with which a deep check of the drifted store has found something, and has not looked at all."""
    _, statements = run_until(10**9, "check", *drifted.words, *DEEP)
    for statement in range(statements, 0, -1):
        report = run_until(statement, "check", *drifted.words, *DEEP, "--format", "json")[0].json
        if report["verdict"] == "incomplete" and report["findings"]:
            return statement
    raise AssertionError("whatever is found is found at the end")


def outcomes(report: Any) -> dict[str, str]:
    return {check["id"]: check["outcome"] for check in report["checks"] if check["outcome"] != "skipped"}


@pytest.mark.parametrize("format", CHECK_FORMATS)
def test_each_format_tells_it(run: Run, healthy: Sample, format: str) -> None:
    result = run("check", *healthy.words, "--format", format, *AT_ONCE)
    assert result.status == (3 if format == "nagios" else 2)
    READERS[format](result.out)
    assert_tells_of_time(format, result)
    assert "Clean" not in result.out
    assert "Error: The run time of 1e-06 s was over before all was read" in result.err


def assert_tells_of_time(format: str, result: Result) -> None:
    """Assert that a report says what was not done, in the way of its format."""
    why = "The run time of"
    if format in ("json", "jsonl"):
        report = result.json if format == "json" else json.loads(result.out.splitlines()[-1])["report"]
        assert report["verdict"] == "incomplete"
        assert any((check["reason"] or "").startswith(why) for check in report["checks"])
    elif format == "nagios":
        assert "UNKNOWN - no findings; not all could be looked at" in result.out or "CRITICAL" in result.out
        assert "unseen=1;;;0" in result.out
    elif format == "prometheus":
        assert 'verdict="incomplete"} 1' in result.out
    elif format == "sarif":
        assert '"executionSuccessful": false' in result.out
        assert why in result.out
    elif format == "junit":
        assert any(suite.errors for suite in READERS[format](result.out))
        assert why in result.out
    else:
        assert "Incomplete" in result.out
        assert why in result.out


def test_terminal_is_told_the_reason_once(sqlite_template: Path) -> None:
    status, said = on_terminal("check", str(sqlite_template), *AT_ONCE)
    assert status == 2
    assert " ".join(said.split()).count("The run time of 1e-06 s was over") == 1
    assert "Error: " not in said
    assert said.splitlines()[-1].startswith("Next: holystone check ")


@pytest.mark.slow
def test_each_format_tells_of_findings_as_well(run_until: Any, drifted: Sample, half_way: int) -> None:
    for format in CHECK_FORMATS:
        result = run_until(half_way, "check", *drifted.words, *DEEP, "--format", format)[0]
        assert result.status == 2, format
        assert_tells_of_time(format, result)
        # Nagios's line and Prometheus's counts have no ids of instances.
        assert "order-" in result.out or format in ("nagios", "prometheus")


@pytest.mark.slow
def test_next_command_looks_at_the_rest(run: Run, run_until: Any, drifted: Sample, half_way: int) -> None:
    whole = run("check", *drifted.words, *DEEP, "--format", "json").json
    stopped = run_until(half_way, "check", *drifted.words, *DEEP, "--format", "json")[0]
    rest = run(*split(commands_in(stopped.err)[0]), "--format", "json").json
    failed = {id for id, outcome in outcomes(stopped.json).items() if outcome == "failed"}
    assert failed == outcomes(rest).keys()
    assert {**outcomes(stopped.json), **outcomes(rest)} == outcomes(whole)
    found = [finding["fingerprint"] for report in (stopped.json, rest) for finding in report["findings"]]
    assert set(found) == {finding["fingerprint"] for finding in whole["findings"]}


@pytest.mark.parametrize("options", [["--level", "quick"], ["--select", "E001,H003", "--ignore", "E001"], []])
def test_next_command_is_of_the_same_selection(run: Run, healthy: Sample, options: list[str]) -> None:
    stopped = run("check", *healthy.words, *options, "--format", "json", *AT_ONCE)
    rest = run(*split(commands_in(stopped.err)[0]), "--format", "json")
    assert (rest.status, rest.json["verdict"]) == (0, "clean")
    # To see that a table is empty takes less time than to be interrupted.
    assert {**outcomes(rest.json), **outcomes(stopped.json)}.keys() == outcomes(stopped.json).keys()
    assert {id for id, one in outcomes(stopped.json).items() if one == "failed"} <= outcomes(rest.json).keys()


def test_enough_time_changes_nothing(run: Run, drifted: Sample) -> None:
    reports = [run("check", *drifted.words, "--format", "json", *words).json for words in ((), ENOUGH)]
    for report in reports:
        del report["started_at"], report["duration_ms"]
    assert reports[0] == reports[1]


def test_time_that_ends_first_keeps_no_watermark(run: Run, healthy: Sample) -> None:
    since = ("check", *healthy.words, "--since", "last")
    assert run("migrate", "upgrade", *healthy.words).status == 0
    first = run(*since, *AT_ONCE)
    assert first.status == 2
    assert "these checks have no watermark yet" in run(*split(commands_in(first.err)[0])).out
    with healthy.scribe() as scribe:
        scribe.execution("late-1", started(), completed('"done"'))
    healthy.execute(STALE.replace("order-1", "late-1"))
    for _ in range(2):
        stopped = run(*since, *AT_ONCE)
        assert stopped.status == 2
    seen = run(*split(commands_in(stopped.err)[0]), "--format", "json").json
    assert (seen["verdict"], seen["coverage"]["why_all"]) == ("drift", None)
    assert {finding["instance_id"] for finding in seen["findings"]} == {"late-1"}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_stores_whose_turn_does_not_come_are_told(run: Run, sqlite_template: Path, tmp_path: Path, jobs: str) -> None:
    for number in range(6):
        shutil.copy(sqlite_template, tmp_path / f"{number}.db")
    done = run("check", str(tmp_path), "--jobs", jobs, "--format", "json", *AT_ONCE)
    assert (done.status, done.json["verdict"]) == (2, "incomplete")
    assert [report["verdict"] for report in done.json["reports"]] == ["incomplete"] * 6
    assert "was over before its turn came" in done.out
    assert done.err.count("Error: ") == 6
    assert run("check", str(tmp_path), "--jobs", jobs, "--format", "nagios", *AT_ONCE).status == 3


def test_nobody_waits_longer_for_a_table_that_is_being_changed(run: Run, postgresql_store: Sample) -> None:
    with psycopg.connect(postgresql_store.target) as other:
        other.execute(f"LOCK TABLE {SCHEMA}.executions IN ACCESS EXCLUSIVE MODE".encode())
        begun = time.monotonic()
        done = run("check", *postgresql_store.words, "--run-time", "0.7")
    assert time.monotonic() - begun < 3
    assert (done.status, "Clean" in done.out) == (2, False)


def test_gate_does_not_pass_what_it_had_no_time_to_see(run: Run, healthy: Sample) -> None:
    done = run("gate", *healthy.words, "--format", "json", *AT_ONCE)
    assert (done.status, done.json["verdict"]) == (2, "incomplete")
    assert commands_in(done.err)
    assert healthy.target.partition("?")[0] in done.err
    assert "TARGET" not in done.err
    assert run("gate", *healthy.words, *ENOUGH).status == 0


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "26d"])
def test_nonsense_is_refused(run: Run, sqlite_store: Sample, seconds: str) -> None:
    assert_refused(run("check", *sqlite_store.words, "--run-time", seconds), "Invalid value for '--run-time'")


@pytest.fixture
def large(flavour: Flavour, servers: Serve, tmp_path: Path) -> Iterator[EngineStore]:
    """A store of so many executions that a deep check of it takes some seconds."""
    file = tmp_path / "store.db"
    bench_store.build(file, 20_000)
    if flavour == "sqlite":
        yield EngineStore(str(file), None, ENGINES[-1], flavour, {})
        return
    name = f"holystone_large_{time.monotonic_ns()}"
    url = servers(0).create_database(name)
    bench_store.main([str(file), "--postgresql", url, "--schema", SCHEMA])
    yield EngineStore(url, SCHEMA, ENGINES[-1], flavour, {})
    servers(0).drop_database(name)


@contextmanager
def engine_at_work(store: EngineStore) -> Iterator[None]:
    load = store.start("load", "--seconds", "60")
    assert load.stdout is not None
    load.stdout.readline()
    try:
        yield
    finally:
        load.kill()
        load.communicate()


class Snapshots:
    """Looks at a server again and again: how old a transaction of a check becomes, in seconds."""

    AGE = (
        "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity"
        " WHERE application_name = 'holystone' AND datname = current_database()"
    )

    def __init__(self, target: str) -> None:
        self._connection = psycopg.connect(target, autocommit=True)
        self.oldest = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def age(self) -> float:
        (found,) = self._connection.execute(self.AGE.encode()).fetchone() or (0.0,)
        return float(found)

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.oldest = max(self.oldest, self.age())

    def __enter__(self) -> Snapshots:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()


def ran(*words: str) -> Result:
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, env=clean_environment(), stdin=subprocess.DEVNULL
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_bound_is_kept_beside_the_engine(large: EngineStore, jobs: str) -> None:
    words = ("check", *large.arguments, "--level", "deep", "--jobs", jobs, "--format", "json")
    with engine_at_work(large):
        for seconds in (0.3, 1.0):
            if large.flavour == "sqlite":
                done = ran(*words, "--run-time", str(seconds))
            else:
                with Snapshots(large.target) as snapshots:
                    done = ran(*words, "--run-time", str(seconds))
                    assert snapshots.age() == 0
                assert snapshots.oldest < seconds + 1.5
            assert done.json["duration_ms"] < (seconds + 1.5) * 1000  # on a machine that is busy
            assert (done.status, done.json["verdict"]) == (2, "incomplete")
            assert_wal_can_go(large)
        bounded = ran(*words, "--run-time", "10m")
        assert (bounded.status, "incomplete" in bounded.json["verdict"]) in ((0, False), (1, False)), bounded.err


def assert_wal_can_go(store: EngineStore) -> None:
    """Assert that all of a WAL can be taken into the file beside the engine, once one comes between its turns."""
    if store.flavour != "sqlite":
        return
    with closing(sqlite3.connect(store.target, timeout=20)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


@pytest.mark.long
@pytest.mark.parametrize("flavour", ["postgresql"])
def test_server_ends_the_snapshot_of_a_check_that_waits_for_its_reader(large: EngineStore) -> None:
    large.execute("UPDATE executions SET status = 'Running' WHERE status = 'Completed'")
    words = ("check", *large.arguments, "--select", "E001", "--format", "jsonl", "--run-time", "4")
    command = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True, env=clean_environment())
    with Snapshots(large.target) as snapshots, command as process:
        try:
            until = time.monotonic() + 90
            while snapshots.oldest < 5:
                assert time.monotonic() < until
                time.sleep(0.1)
            time.sleep(6)
            assert snapshots.age() == 0
            assert snapshots.oldest < 11
            out, _ = process.communicate(timeout=60)
            assert process.returncode == 2
            assert json.loads(out.splitlines()[-1])["report"]["verdict"] == "incomplete"
        finally:
            process.kill()

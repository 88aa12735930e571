"""Being stopped is not the same as having found something."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, select

from holystone.cli import main
from holystone.duroxide.tables import executions
from holystone.store.toolkit import changes

from .helpers import COMMAND, STALE, Run, Sample, clean_environment, holystone

pytestmark = pytest.mark.slow


BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command that can be interrupted, though whoever runs the tests may not be; in the end it is gone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_an_interrupted_apply_says_so_and_changes_nothing(sqlite_store: Sample, tmp_path: Path) -> None:
    sqlite_store.execute(STALE)
    before = Path(sqlite_store.target).read_bytes()
    plan = tmp_path / "plan.json"
    os.mkfifo(plan)
    # The file can be opened only once the command reads its plan, for which it then waits.
    with started("repair", "apply", sqlite_store.target, str(plan)) as process, plan.open("w"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (2, "", "Stopped; nothing more was done.")
    assert Path(sqlite_store.target).read_bytes() == before


SIGNALLED_AT_EXIT = """
import atexit, os, signal, sys
from holystone.cli.main import main
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests with nohup has them inherit that it is ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(os.kill, os.getpid(), signal.{name})
sys.argv = ["holystone", "--version"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_signal_that_comes_when_all_is_done_leaves_no_traceback(number: signal.Signals) -> None:
    script = SIGNALLED_AT_EXIT.format(name=number.name)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean_environment())
    assert (done.returncode, done.stderr) == (-number, "")
    assert done.stdout.startswith("holystone ")


@pytest.mark.parametrize("words", [["check"], ["repair", "apply", "--yes", "--format", "json"]], ids=" ".join)
def test_an_interrupted_command_that_waits_for_a_server(run: Run, postgresql_store: Sample, words: list[str]) -> None:
    postgresql_store.execute(STALE)
    with (
        psycopg.connect(postgresql_store.target) as other,
        psycopg.connect(postgresql_store.target, autocommit=True) as watcher,
    ):
        history = sql.Identifier(str(postgresql_store.schema), "history")
        other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(history))
        with started(*words, *postgresql_store.words) as process:
            while watcher.execute(BLOCKED).fetchone() is None:
                assert process.poll() is None, process.communicate()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (2, "", "Stopped; nothing more was done.")
    assert run("check", *postgresql_store.words).status == 1


ROWS = 600
MANY = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n",
    "postgresql": "SELECT i FROM generate_series(1, {rows}) AS n(i)",
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def drifted(store: Sample) -> None:
    """Add many instances that have ended, and whose rows say that they run."""
    numbers = MANY["sqlite" if store.schema is None else "postgresql"].format(rows=ROWS)
    for table in ("instances", "executions", "history"):
        columns = COLUMNS[table]
        store.execute(
            f"INSERT INTO {table} (instance_id, {columns}) SELECT 'many-' || n.i, {columns} FROM {table},"
            f" ({numbers}) AS n WHERE instance_id = 'order-1'"
        )
    store.execute("UPDATE history SET event_data = replace(event_data, '\"order-1\"', '\"' || instance_id || '\"')")
    store.execute("UPDATE executions SET status = 'Running', output = NULL WHERE instance_id LIKE 'many-%'")


COLUMNS = {
    "instances": "orchestration_name, orchestration_version, current_execution_id, created_at, updated_at",
    "executions": "execution_id, status, output, started_at, completed_at",
    "history": "execution_id, event_id, event_type, event_data, created_at",
}


def rows_done(store: Sample, run_id: str | None = None) -> int:
    """Return how many rows the journal has of a run, of all runs where none is named."""
    runs = json.loads(holystone("repair", "log", *store.words, "--format", "json").out)["runs"]
    return sum(len(run["changes"]) for run in runs if run_id in (None, run["run"]))


@pytest.mark.long
@pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)
@pytest.mark.parametrize("flavour", ["sqlite", "postgresql"])
def test_a_stopped_run_says_what_it_did_and_the_way_on_and_back(
    flavour: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    store: Sample = request.getfixturevalue(f"{flavour}_store")
    drifted(store)
    assert holystone("migrate", "upgrade", *store.words).status == 0
    before = store.rows(select(executions).order_by(*executions.primary_key))
    said = stopped_midway(store, number, "apply")
    [run_id] = re.findall(r"Run (\S+) was stopped: ([\d,]+) rows? repaired", said)
    applied = int(run_id[1].replace(",", ""))
    assert 0 < applied < ROWS
    assert rows_done(store, run_id[0]) == applied
    assert "Way back: holystone repair undo" in said
    assert "interrupted" in holystone("repair", "log", *store.words).out
    gone_on = holystone("repair", "apply", *store.words, "--yes", "--format", "json")
    assert gone_on.status == 0, gone_on.err
    said = stopped_midway(store, number, "undo", json.loads(gone_on.out)["run"])
    assert "was stopped" in said
    assert "Go on: holystone repair resume" in said
    for run in (json.loads(gone_on.out)["run"], run_id[0]):
        undone = holystone("repair", "undo", *store.words, run, "--yes")
        assert undone.status == 0, undone.err
    assert store.rows(select(executions).order_by(*executions.primary_key)) == before


def stopped_midway(store: Sample, number: signal.Signals, *words: str) -> str:
    """Return what a run says that is stopped after its first rows, and before its last ones."""
    before = count_of_changes(store)
    with started("repair", words[0], *store.words, *words[1:], "--yes") as process:
        while count_of_changes(store) == before:
            assert process.poll() is None, process.communicate()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "Traceback" not in err
    assert err.rstrip().endswith("Stopped; nothing more was done.")
    return err


def count_of_changes(store: Sample) -> int:
    [(number,)] = store.rows(select(func.count()).select_from(changes))
    return int(number)


def test_what_fails_because_of_a_stop_is_told_as_a_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLAlchemy refuses to commit on a connection that a KeyboardInterrupt has invalidated."""

    def stopped(*_: object, **__: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("the connection is invalid")

    monkeypatch.setattr(main.cli, "main", stopped)
    assert main.run([]) == 2
    assert capsys.readouterr().err == "Stopped; nothing more was done.\n"

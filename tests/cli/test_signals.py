"""Being stopped is not the same as having found something."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from .helpers import COMMAND, STALE, Run, Sample, clean_environment

BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command that can be interrupted, though whoever runs the tests may not be; in the end it is gone."""
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
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
        signal.signal(signal.SIGINT, heeded)
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

"""What another session holds is left, and named with its holder; the rest is done, and nothing waits without bound."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import one_and_long
from holystone.cli import files
from holystone.flavours.postgresql import locks as postgresql_locks
from holystone.flavours.postgresql import session as postgresql_session
from holystone.flavours.postgresql import structure as postgresql_structure
from holystone.flavours.sqlite import connector as sqlite_connector
from holystone.mend import apply as mend_apply
from holystone.mend import journal

from .helpers import SCHEMA, STALE, UNDATED, Result, Run, Sample, assert_refused, holystone

pytestmark = pytest.mark.slow


LOCKS = {
    "a row": "SELECT 1 FROM executions WHERE instance_id = 'order-1' FOR UPDATE",
    "a row, shared": "SELECT 1 FROM executions WHERE instance_id = 'order-1' FOR SHARE",
    "a row that was changed": "UPDATE executions SET status = status WHERE instance_id = 'order-1'",
    "the advisory lock": "SELECT pg_advisory_xact_lock(hashtext('order-1'))",
}
TABLE_LOCKS = ("ROW EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")
READING = (
    ["check", "--jobs", "2"],
    ["repair", "plan"],
    ["repair", "log"],
    ["executions", "list"],
    ["executions", "show", "{}", "order-1"],
    ["why", "{}", "order-1"],
    ["migrate", "status"],
)
WRITING = (
    ["repair", "apply", "--yes"],
    ["repair", "undo", "--yes", "{}", "RUN"],
    ["repair", "resume", "--yes", "{}", "RUN"],
    ["migrate", "upgrade"],
    ["migrate", "adopt"],
    ["migrate", "downgrade", "--yes", "{}", "toolkit@base"],
    ["check", "--since", "last"],
)
"""Commands; the place of TARGET is at their end where they do not tell it, and RUN is one that was stopped."""


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for seconds where a user would wait for a minute."""
    monkeypatch.setattr(mend_apply, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(postgresql_locks, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(postgresql_structure, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(postgresql_structure, "_LOCK_TIMEOUT", "'1s'")
    monkeypatch.setattr(sqlite_connector, "_LOCK_WAIT_SECONDS", 0.5)
    settings = {**postgresql_session.SETTINGS, "lock_timeout": "'1s'"}
    monkeypatch.setattr(postgresql_session, "SETTINGS", settings)
    monkeypatch.setattr(postgresql_locks, "SETTINGS", settings)
    monkeypatch.setattr(postgresql_structure, "SETTINGS", settings)


@contextmanager
def holding(store: Sample, statement: str) -> Iterator[int]:
    """Hold in another session what the statement locks; yield its process."""
    options = f"-csearch_path={SCHEMA} -capplication_name=other-program"
    with psycopg.connect(store.target, options=options) as other:
        other.execute(statement.encode())
        yield other.info.backend_pid


def on(store: Sample, command: Sequence[str], run_id: str = "") -> list[str]:
    """Return the words of a command on a store."""
    target, *options = store.words
    named = [word.format(target).replace("RUN", run_id) for word in command]
    return [*named, *options] if "{}" in command else [*named, target, *options]


@contextmanager
def stopped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop the runs of the context when they have done all they can, as Ctrl-C does."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "finish", stop)
        yield


def last_run(run: Run, store: Sample) -> str:
    return str(run("repair", "log", "--format", "json", *store.words).json["runs"][0]["run"])


def assert_left(done: Result, pid: int, says: str) -> None:
    """Assert that a command did one of two rows, and names who holds the other one."""
    assert done.status == 1, done
    assert says in done.out
    assert f"process {pid}, postgres (other-program), idle in transaction, since " in " ".join(done.out.split())


@pytest.mark.parametrize("lock", one_and_long(LOCKS))
def test_apply_leaves_what_another_session_holds_and_does_the_rest(
    run: Run, postgresql_store: Sample, lock: str
) -> None:
    assert run("migrate", "upgrade", *postgresql_store.words).status == 0
    postgresql_store.execute(STALE + UNDATED)
    with holding(postgresql_store, LOCKS[lock]) as pid:
        done = run("repair", "apply", "--yes", *postgresql_store.words)
        assert_left(done, pid, "1 row repaired, 1 left.")
    assert run("repair", "apply", "--yes", *postgresql_store.words).status == 0
    assert run("check", *postgresql_store.words).status == 0


@pytest.mark.parametrize("lock", one_and_long(LOCKS))
def test_undo_leaves_what_another_session_holds_and_does_the_rest(
    run: Run, postgresql_store: Sample, lock: str
) -> None:
    postgresql_store.execute(STALE + UNDATED)
    applied = run("repair", "apply", "--yes", "--format", "json", *postgresql_store.words).json
    words = on(postgresql_store, ["repair", "undo", "--yes", "{}", "RUN"], applied["run"])
    with holding(postgresql_store, LOCKS[lock]) as pid:
        assert_left(run(*words), pid, "1 row put back, 1 left.")
    assert run(*words).status == 0


RESUME = ["repair", "resume", "--yes", "{}", "RUN"]


@pytest.mark.parametrize("lock", one_and_long(LOCKS))
def test_what_goes_on_with_a_repair_leaves_what_another_session_holds_and_does_the_rest(
    run: Run, postgresql_store: Sample, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    postgresql_store.execute(UNDATED)
    with stopped_at_the_end(monkeypatch):
        assert run("repair", "apply", "--yes", *postgresql_store.words).status == 2
    postgresql_store.execute(STALE + UNDATED)
    with holding(postgresql_store, LOCKS[lock]) as pid:
        done = run(*on(postgresql_store, RESUME, last_run(run, postgresql_store)))
        assert_left(done, pid, "1 row repaired, 1 left.")
    assert run("repair", "apply", "--yes", *postgresql_store.words).status == 0


@pytest.mark.parametrize("lock", one_and_long(LOCKS))
def test_what_goes_on_with_an_undo_leaves_what_another_session_holds(
    run: Run, postgresql_store: Sample, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    postgresql_store.execute(STALE + UNDATED)
    applied = run("repair", "apply", "--yes", "--format", "json", *postgresql_store.words).json
    with holding(postgresql_store, LOCKS[lock]) as pid:
        with stopped_at_the_end(monkeypatch):
            words = on(postgresql_store, ["repair", "undo", "--yes", "{}", "RUN"], applied["run"])
            assert run(*words).status == 2
        words = on(postgresql_store, RESUME, last_run(run, postgresql_store))
        assert_left(run(*words), pid, "0 rows put back, 1 so already, 1 left.")


@pytest.mark.parametrize("mode", one_and_long(TABLE_LOCKS))
def test_apply_waits_for_nobody_who_has_locked_a_table(run: Run, postgresql_store: Sample, mode: str) -> None:
    assert run("migrate", "upgrade", *postgresql_store.words).status == 0
    postgresql_store.execute(STALE + UNDATED)
    begun = time.monotonic()
    with holding(postgresql_store, f"LOCK TABLE executions IN {mode} MODE") as pid:
        done = run("repair", "apply", "--yes", *postgresql_store.words)
        if mode == "ROW EXCLUSIVE":
            assert done.status == 0, done
            return
        assert done.status == (2 if mode == "ACCESS EXCLUSIVE" else 1), done
        assert f"process {pid}, postgres (other-program)" in done.out + done.err
        if done.status == 1:
            assert "0 rows repaired, 2 left." in done.out
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("command", one_and_long(READING), ids=" ".join)
def test_whoever_reads_names_who_keeps_him_waiting(run: Run, postgresql_store: Sample, command: list[str]) -> None:
    postgresql_store.execute(STALE)
    tables = "executions, instances, history, _duroxide_migrations"
    with holding(postgresql_store, f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE") as pid:
        told = run(*on(postgresql_store, command))
    assert told.status == 2, told
    assert told.err.count("Error: ") == 1, told.err
    assert f"process {pid}, postgres (other-program)" in told.err


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_whoever_reads_waits_for_no_lock_of_rows_or_of_writers(
    run: Run, postgresql_store: Sample, command: list[str]
) -> None:
    with holding(postgresql_store, "LOCK TABLE executions, instances, history IN EXCLUSIVE MODE"):
        assert run(*on(postgresql_store, command)).status == 0


def arranged(run: Run, store: Sample, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> list[str]:
    """Return the words of a command that writes, on a store in which it has something to do."""
    run_id = ""
    if command[-1] in ("last", "toolkit@base"):
        assert run("migrate", "upgrade", *store.words).status == 0
    if "undo" in command:
        store.execute(UNDATED)
        run_id = run("repair", "apply", "--yes", "--format", "json", *store.words).json["run"]
    if "resume" in command:
        store.execute(UNDATED)
        with stopped_at_the_end(monkeypatch):
            assert run("repair", "apply", "--yes", *store.words).status == 2
        run_id = last_run(run, store)
    if command[-1] != "last":
        store.execute(STALE)
    return on(store, command, run_id)


@pytest.mark.parametrize("command", one_and_long(WRITING), ids=" ".join)
def test_whoever_writes_names_who_keeps_him_waiting(
    run: Run, postgresql_store: Sample, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    tables = "executions, instances, history, worker_queue, _duroxide_migrations"
    words = arranged(run, postgresql_store, monkeypatch, command)
    if "downgrade" in command:
        tables += ", holystone_runs, holystone_changes"
    begun = time.monotonic()
    with holding(postgresql_store, f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE") as pid:
        told = run(*words)
    assert told.status == 2, told
    assert told.err.count("Error: ") == 1, told.err
    assert f"process {pid}, postgres (other-program)" in told.err
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("command", one_and_long([*READING, *WRITING]), ids=" ".join)
def test_a_file_that_another_process_has_for_itself(
    run: Run, sqlite_store: Sample, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    words = arranged(run, sqlite_store, monkeypatch, command)
    with closing(sqlite3.connect(sqlite_store.target, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        assert_refused(run(*words), "is locked by another process")


# Files that are none.


@pytest.fixture
def odd_files(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Names of what is no file that one reads to its end, by what each is."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield {
            "a FIFO": str(tmp_path / "fifo"),
            "a device": "/dev/zero",
            "a folder": str(tmp_path),
            "a socket": str(tmp_path / "socket"),
        }


PLACES = {
    "TARGET": ["check", "{}"],
    "TARGET of a repair": ["repair", "apply", "--yes", "{}"],
    "TARGET of a migration": ["migrate", "upgrade", "{}"],
    "a plan": ["repair", "apply", "--yes", "{store}", "{}"],
    "a policy": ["check", "{store}", "--config", "{}"],
    "a baseline": ["check", "{store}", "--baseline", "{}"],
}


@pytest.mark.parametrize("what", one_and_long(["a FIFO", "a device", "a folder", "a socket"]))
@pytest.mark.parametrize("place", one_and_long(PLACES))
def test_what_is_no_file_is_refused_at_once(
    sqlite_store: Sample, odd_files: dict[str, str], place: str, what: str
) -> None:
    words = [word.format(odd_files[what], store=sqlite_store.target) for word in PLACES[place]]
    begun = time.monotonic()
    assert_refused(holystone(*words))
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("what", one_and_long(["a folder", "a FIFO", "a socket"]))
def test_a_report_is_written_to_no_such_thing(sqlite_store: Sample, odd_files: dict[str, str], what: str) -> None:
    refused = holystone("check", sqlite_store.target, "--output", odd_files[what])
    assert_refused(refused)


def test_a_reader_that_has_stopped_reading_is_not_waited_for_without_bound(
    run: Run, sqlite_store: Sample, odd_files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.5)
    sqlite_store.execute(STALE)
    command = ["check", sqlite_store.target, "--format", "json", "--output", odd_files["a FIFO"]]
    reader = os.open(odd_files["a FIFO"], os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(reader, bytes(fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ)))  # it is full, and nobody empties it
        begun = time.monotonic()
        assert_refused(run(*command), "nobody reads from this pipe")
        assert time.monotonic() - begun < 20
    finally:
        os.close(reader)


def test_a_report_is_written_to_a_fifo_that_somebody_reads(sqlite_store: Sample, odd_files: dict[str, str]) -> None:
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path(odd_files["a FIFO"]).read_text()), daemon=True)
    reader.start()
    done = holystone("check", sqlite_store.target, "--output", odd_files["a FIFO"])
    reader.join(10)
    assert (done.status, read != []) == (0, True), done
    assert "Clean." in read[0]

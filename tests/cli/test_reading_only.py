"""What looks at a store leaves no trace in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from .helpers import CRASHING_HALFWAY, CRASHING_WRITER, STALE, UNDATED, Run, Sample, contents, holystone

pytestmark = pytest.mark.slow


COMMANDS = (
    ["check", "--level", "deep"],
    ["check", "--format", "json"],
    ["repair", "plan"],
    ["repair", "log"],
    ["migrate", "status"],
    ["gate", "--against", "package:0.2.2"],
    ["migrate", "sql"],
)
FINDING = ("check", "gate")
"""Commands that end with 1 on a drifted store."""
HARMLESS_WRITE = "UPDATE instances SET updated_at = CURRENT_TIMESTAMP"


def closed_with_journal(path: Path) -> AbstractContextManager[None]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return nullcontext()


def closed_with_wal(path: Path) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def open_writer(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(HARMLESS_WRITE)
        assert Path(f"{path}-wal").stat().st_size
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE executions SET status = 'Failed'")
        yield


@contextmanager
def open_reader(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("SELECT count(*) FROM history")
        yield


def crashed_writer(path: Path) -> AbstractContextManager[None]:
    subprocess.run([sys.executable, "-c", CRASHING_WRITER, path], check=True)
    assert Path(f"{path}-wal").stat().st_size
    return nullcontext()


@pytest.fixture(params=[closed_with_journal, closed_with_wal, open_writer, open_reader, crashed_writer])
def state(request: pytest.FixtureRequest) -> Callable[[Path], AbstractContextManager[None]]:
    """A state in which the files of a store can be found."""
    enter: Callable[[Path], AbstractContextManager[None]] = request.param
    return enter


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_file_is_written_or_left_behind(
    run: Run, sqlite_store: Sample, state: Callable[[Path], AbstractContextManager[None]], command: list[str]
) -> None:
    path = Path(sqlite_store.target)
    sqlite_store.execute(STALE)
    with state(path):
        before = contents(path.parent)
        assert run(*command, sqlite_store.target).status == (command[0] in FINDING)
        assert contents(path.parent) == before


def test_an_open_writer_is_not_waited_for(run: Run, sqlite_store: Sample) -> None:
    """What is not committed is not there: the store is as clean as before."""
    with open_writer(Path(sqlite_store.target)):
        assert run("check", sqlite_store.target).status == 0


def test_what_a_crashed_writer_committed_is_seen(run: Run, sqlite_store: Sample) -> None:
    crashed_writer(Path(sqlite_store.target))
    report = run("check", sqlite_store.target, "--format", "json").json
    assert [finding["instance_id"] for finding in report["findings"]] == ["order-2"]


def without_shared_memory(path: Path) -> AbstractContextManager[None]:
    crashed_writer(path)
    Path(f"{path}-shm").unlink()
    return nullcontext()


@pytest.mark.parametrize(
    ("state", "status"),
    [(closed_with_journal, 0), (closed_with_wal, 0), (open_writer, 0), (crashed_writer, 1), (without_shared_memory, 2)],
)
def test_a_read_only_folder_is_read_or_refused(
    sqlite_store: Sample, state: Callable[[Path], AbstractContextManager[None]], status: int
) -> None:
    path = Path(sqlite_store.target)
    with state(path):
        before = contents(path.parent)
        os.chmod(path.parent, 0o555)
        result = holystone("check", sqlite_store.target, unprivileged=True)
        os.chmod(path.parent, 0o755)
        assert contents(path.parent) == before
    assert result.status == status
    if status == 2:
        assert "it has unfinished writes in its -wal file, and the folder is not writable" in result.err
        assert "Copy the file together with its -wal file" in result.err


def test_half_a_transaction_of_a_crashed_program_is_refused(run: Run, sqlite_store: Sample) -> None:
    path = Path(sqlite_store.target)
    subprocess.run([sys.executable, "-c", CRASHING_HALFWAY, path], check=True)
    before = contents(path.parent)
    result = run("check", sqlite_store.target)
    assert result.status == 2
    assert "holds half a transaction of a program that crashed" in result.err
    assert contents(path.parent) == before


@pytest.fixture
def when_reading() -> Iterator[list[Callable[[Any], None]]]:
    """A list of functions that are called with the driver's connection after each statement that reads."""
    called: list[Callable[[Any], None]] = []

    def after(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SET "):  # a transaction that has read anything takes no snapshot any more
            return
        for function in called:
            function(connection.connection.driver_connection)

    event.listen(Engine, "after_cursor_execute", after)
    yield called
    event.remove(Engine, "after_cursor_execute", after)


@pytest.mark.parametrize("command", [["check"], ["check", "--format", "json"], ["repair", "plan"]], ids=" ".join)
def test_a_writer_that_comes_in_the_middle_makes_the_answer_unreliable(
    run: Run, sqlite_store: Sample, when_reading: list[Callable[[Any], None]], command: list[str]
) -> None:
    """A WAL store that nobody has open is read as if nobody could open it."""
    statements = 0
    writers: list[sqlite3.Connection] = []

    def write(connection: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == 6:  # the store has been recognised, and the scan has begun
            writers.append(sqlite3.connect(sqlite_store.target, isolation_level=None))
            writers[0].execute(HARMLESS_WRITE)

    when_reading.append(write)
    result = run(*command, sqlite_store.target)
    when_reading.clear()
    for writer in writers:
        writer.close()
    assert writers
    assert result.status == 2
    assert "A program began to write to" in result.err
    assert "Clean" not in result.out
    assert "nothing to repair" not in result.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_postgresql_is_read_in_one_read_only_snapshot(
    run: Run, postgresql_store: Sample, when_reading: list[Callable[[Any], None]], command: list[str]
) -> None:
    run("migrate", "upgrade", *postgresql_store.words)
    seen = set()

    def look(connection: psycopg.Connection[Any]) -> None:
        settings = "current_setting('transaction_read_only'), current_setting('transaction_isolation')"
        seen.add(connection.execute(f"SELECT {settings}".encode()).fetchone())

    when_reading.append(look)
    assert run(*command, *postgresql_store.words).status == 0
    assert seen == {("on", "repeatable read")}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_role_that_may_only_read_is_enough(
    run: Run, postgresql_store: Sample, reader: Sample, command: list[str]
) -> None:
    postgresql_store.execute(STALE + UNDATED)
    result = run(*command, *reader.words)
    assert result.status == (command[0] in FINDING)
    assert result.err == ""
    assert "secret" not in result.out


@pytest.mark.parametrize("format_", ["text", "json", "jsonl"])
def test_a_journal_made_after_the_grant_does_not_stop_a_check(
    run: Run, postgresql_store: Sample, reader: Sample, format_: str
) -> None:
    assert run("migrate", "upgrade", *postgresql_store.words).status == 0
    result = run("check", *reader.words, "--format", format_)
    assert (result.status, result.err) == (0, "")

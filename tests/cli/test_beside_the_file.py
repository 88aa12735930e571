"""A check leaves all files beside a store as they were, and minds nothing of what an application keeps in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from .helpers import STALE, Run, Sample

COMMANDS = (
    ["check", "--level", "deep", "--jobs", "2"],
    ["check", "--level", "quick"],
    ["repair", "plan"],
    ["repair", "log"],
    ["executions", "list"],
    ["migrate", "status"],
)


def as_it_lies(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return size, times and owner of each file of a folder."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (one.st_size, one.st_mtime_ns, one.st_ino, one.st_uid) for name, one in found.items()}


@pytest.fixture
def killed(sqlite_store: Sample) -> Sample:
    """A store whose last writer was killed: what it has written lies in the -wal file; there is no -shm file."""
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('PRAGMA wal_autocheckpoint = 0')\n"
        "connection.executescript(sys.argv[2])\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, sqlite_store.target, STALE], check=True)
    path = Path(sqlite_store.target)
    os.unlink(f"{path}-shm")
    assert Path(f"{path}-wal").stat().st_size
    return sqlite_store


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_unfinished_writes_are_read_and_nothing_is_left(run: Run, killed: Sample, command: list[str]) -> None:
    folder = Path(killed.target).parent
    before = as_it_lies(folder)
    done = run(*command, *killed.words)
    assert done.status == (1 if command[0] == "check" else 0), done
    assert as_it_lies(folder) == before


def test_what_is_open_elsewhere_keeps_its_shared_memory(run: Run, killed: Sample) -> None:
    with closing(sqlite3.connect(killed.target)) as other:
        other.execute("SELECT count(*) FROM executions").fetchone()
        before = as_it_lies(Path(killed.target).parent)
        assert run("check", *killed.words).status == 1
        assert as_it_lies(Path(killed.target).parent).keys() == before.keys()
        other.execute("DELETE FROM kv_store")
        other.commit()
    assert run("check", *killed.words).status == 1


def test_somebody_who_came_meanwhile_keeps_it_too(run: Run, killed: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    from holystone.scan.scan import Scan

    script = (
        "import sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1])\n"
        "print(connection.execute('SELECT count(*) FROM executions').fetchone(), flush=True)\nsys.stdin.read()"
    )
    others: list[subprocess.Popen[str]] = []
    looks = Scan._groups

    def come(self: Scan) -> object:
        if not others:
            words = [sys.executable, "-c", script, killed.target]
            others.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            assert others[0].stdout is not None
            others[0].stdout.readline()
        return looks(self)

    monkeypatch.setattr(Scan, "_groups", come)
    assert run("check", *killed.words).status == 1
    assert Path(f"{killed.target}-shm").exists()
    with others[0] as other:
        other.communicate("")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_virtual_table_whose_module_is_missing(run: Run, sqlite_store: Sample, command: list[str]) -> None:
    with closing(sqlite3.connect(sqlite_store.target)) as file:
        file.execute("PRAGMA writable_schema = ON")
        file.execute(
            "INSERT INTO sqlite_master VALUES ('table', 'places', 'places', 0,"
            " 'CREATE VIRTUAL TABLE places USING of_an_application(a, b)')"
        )
        file.commit()
    done = run(*command, *sqlite_store.words)
    assert done.status == 0, done
    assert "module" not in done.err


def test_repairs_beside_a_virtual_table(run: Run, sqlite_store: Sample) -> None:
    with closing(sqlite3.connect(sqlite_store.target)) as file:
        file.execute("PRAGMA writable_schema = ON")
        file.execute(
            "INSERT INTO sqlite_master VALUES ('table', 'places', 'places', 0,"
            " 'CREATE VIRTUAL TABLE places USING of_an_application(a, b)')"
        )
        file.commit()
    sqlite_store.execute(STALE)
    applied = run("repair", "apply", "--yes", "--format", "json", *sqlite_store.words)
    assert applied.status == 0, applied
    assert run("repair", "undo", "--yes", sqlite_store.target, applied.json["run"]).status == 0
    assert run("migrate", "adopt", *sqlite_store.words).status == 0


def test_a_connection_of_the_same_process_keeps_it_as_well(killed: Sample) -> None:
    from holystone.store import Store

    store = Store.open(killed.target, read_only=True)
    with store.snapshot() as connection, closing(sqlite3.connect(killed.target)) as other:
        connection.exec_driver_sql("SELECT count(*) FROM executions").scalar_one()
        other.execute("SELECT count(*) FROM executions").fetchone()
        connection.close()
        assert Path(f"{killed.target}-shm").exists()

"""A write-ahead log of another copy of the file is told of, and one that is in use never."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from holystone.errors import StoreUnavailableError
from holystone.flavours.sqlite.wal import is_of_another_copy
from holystone.migrate import create
from holystone.store import Store

WRITES = (
    "import sqlite3, sys, time\n"
    "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)\n"
    "connection.execute('PRAGMA wal_autocheckpoint = 3')\n"
    "end = time.monotonic() + float(sys.argv[2])\n"
    "number = 0\n"
    "while time.monotonic() < end:\n"
    "    number += 1\n"
    "    connection.execute('CREATE TABLE IF NOT EXISTS t%d (x)' % (number % 7))\n"
    "    connection.execute('INSERT INTO t%d VALUES (hex(randomblob(6000)))' % (number % 7))\n"
    "    if number % 7 == 6:\n"
    "        connection.execute('DROP TABLE t%d' % (number % 5))\n"
    "    if number % 11 == 0:\n"
    "        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "store.db"
    create(str(file)).close()
    return file


def left_open(path: Path, statement: str) -> None:
    """Run a statement in a process that is killed with its transaction in the log."""
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA wal_autocheckpoint = 0')\n"
        "connection.execute(sys.argv[2])\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path), statement], check=True)
    assert Path(f"{path}-wal").stat().st_size


def later(path: Path, into: Path) -> None:
    """Make a copy of a file and its log, to which several transactions more are written."""
    for name in ("", "-wal"):
        shutil.copyfile(f"{path}{name}", f"{into}{name}")
    with closing(sqlite3.connect(into, isolation_level=None)) as connection:
        for number in range(3):
            connection.execute(f"CREATE TABLE later_{number} (x)")


@pytest.mark.parametrize("restored", ["older", "newer"])
def test_the_log_of_another_copy_is_refused(path: Path, tmp_path: Path, restored: str) -> None:
    backup = tmp_path / "backup.db"
    if restored == "older":
        shutil.copyfile(path, backup)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE b (x)")
            connection.execute("CREATE TABLE c (x)")
        left_open(path, "CREATE TABLE a (x)")
    else:
        left_open(path, "CREATE TABLE a (x)")
        later(path, backup)
    shutil.copyfile(backup, path)
    with pytest.raises(StoreUnavailableError, match="-wal is of another copy of the file") as refused:
        Store.open(str(path))
    assert f"{path}-wal" in str(refused.value.next_step)
    for name in ("wal", "shm"):
        Path(f"{path}-{name}").unlink(missing_ok=True)
    Store.open(str(path)).close()


def test_a_copy_with_its_own_log_is_read(path: Path, tmp_path: Path) -> None:
    left_open(path, "CREATE TABLE a (x)")
    copy = tmp_path / "copy.db"
    for name in ("", "-wal"):
        shutil.copyfile(f"{path}{name}", f"{copy}{name}")
    with closing(Store.open(str(copy))) as store, store.snapshot() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM a").scalar_one() == 0


@pytest.mark.parametrize("cut", [0, 20, 32, 40, 56, 100])
def test_a_log_that_is_cut_off_may_be_the_files_own(path: Path, cut: int) -> None:
    left_open(path, "CREATE TABLE a (x)")
    log = Path(f"{path}-wal")
    log.write_bytes(log.read_bytes()[:cut])
    assert not is_of_another_copy(path)


def test_the_log_of_a_file_that_is_written_to_is_its_own(path: Path) -> None:
    seconds = 3.0
    writer = subprocess.Popen([sys.executable, "-c", WRITES, str(path), str(seconds)])
    looks, end = 0, time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            assert not is_of_another_copy(path)
            looks += Path(f"{path}-wal").exists()
    finally:
        assert writer.wait() == 0
    assert looks > 100

"""Disks that are full and media that can only be read: what reads works there, and what writes says so."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import MISSING

from .helpers import STALE, UNDATED, Run, Sample, assert_refused, contents, holystone

pytestmark = pytest.mark.slow


READING = (
    ["check"],
    ["check", "--since", "last"],
    ["check", "--level", "deep"],
    ["repair", "plan"],
    ["repair", "log"],
    ["executions", "list"],
)
WRITING = (["repair", "apply", "--yes"], ["migrate", "upgrade"], ["migrate", "adopt"])
SIZE = 4_000_000
"""Of the disk, in bytes."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip(f"{MISSING}no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def store(sqlite_store: Sample, disk: Path) -> Sample:
    """A drifted store on the disk."""
    sqlite_store.execute(STALE + UNDATED)
    made = shutil.copy(sqlite_store.target, disk / "store.db")
    return Sample(str(made), None)


def rows(store: Sample) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store.target)) as connection:
        return connection.execute("SELECT * FROM executions").fetchall()


def set_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(4096))
    return filler


def test_what_reads_works_on_media_that_can_only_be_read(run: Run, store: Sample, disk: Path) -> None:
    expected = [run(*command, *store.words).status for command in READING]
    set_read_only(disk)
    assert [run(*command, *store.words).status for command in READING] == expected == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_what_writes_says_so_on_media_that_can_only_be_read(
    run: Run, store: Sample, disk: Path, command: list[str]
) -> None:
    set_read_only(disk)
    assert_refused(run(*command, *store.words), "cannot be written to")


def test_what_reads_works_on_a_full_disk(run: Run, store: Sample, disk: Path) -> None:
    expected = [run(*command, *store.words).status for command in READING]
    fill(disk)
    assert [run(*command, *store.words).status for command in READING] == expected


@pytest.mark.parametrize("command", WRITING[:-1], ids=" ".join)
def test_what_writes_leaves_all_as_it_was_on_a_full_disk(
    run: Run, store: Sample, disk: Path, command: list[str]
) -> None:
    before = rows(store)
    filler = fill(disk)
    told = run(*command, *store.words)
    assert told.status == 2, told
    assert "has no room left on its disk" in told.err, told.err
    assert "Traceback" not in told.err
    assert "fault of holystone" not in told.err
    assert told.err.count("Error: ") == 1, told.err
    filler.unlink()
    assert rows(store) == before
    assert run(*command, *store.words).status in (0, 1)


def test_a_report_that_finds_no_room_leaves_the_old_one(store: Sample, disk: Path) -> None:
    report = disk / "report.json"
    report.write_text("the old one")
    fill(disk)
    before = contents(disk)
    told = holystone("check", *store.words, "--format", "json", "--output", str(report))
    assert_refused(told, "no space left")
    assert contents(disk) == before

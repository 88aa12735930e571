"""SQLite keeps the last writes beside the name by which a file was opened: they are seen, or the file is refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from .helpers import CRASHING_HALFWAY, CRASHING_WRITER, STALE, Run, Sample, assert_refused, contents

READING = (["check"], ["repair", "plan"], ["executions", "list"], ["migrate", "status"])
WRITING = (["repair", "apply", "--yes"], ["migrate", "upgrade"])


@pytest.fixture
def linked(sqlite_store: Sample) -> Iterator[tuple[Path, Path]]:
    """A store with two names, which the engine has open by the first: its last write lies beside that."""
    path = Path(sqlite_store.target)
    other = path.parent / "other.db"
    os.link(path, other)
    with closing(sqlite3.connect(path, isolation_level=None)) as engine:
        engine.execute(STALE)
        yield path, other


@pytest.mark.parametrize("command", [*READING, *WRITING], ids=" ".join)
def test_other_name_is_refused(run: Run, linked: tuple[Path, Path], command: list[str]) -> None:
    before = contents(linked[0].parent)
    refused = run(*command, str(linked[1]))
    assert_refused(refused, "other.db has 2 names (hard links)", "-samefile")
    assert contents(linked[0].parent) == before


def test_name_that_the_engine_uses_is_read(run: Run, linked: tuple[Path, Path]) -> None:
    assert run("check", str(linked[0])).status == 1


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_closed_file_may_have_been_written_by_its_other_name(run: Run, sqlite_store: Sample, mode: str) -> None:
    sqlite_store.execute(f"PRAGMA journal_mode = {mode}")
    other = Path(sqlite_store.target).parent / "other.db"
    os.link(sqlite_store.target, other)
    assert_refused(run("check", sqlite_store.target), "store.db has 2 names (hard links)")
    other.unlink()
    assert run("check", sqlite_store.target).status == 0


def test_name_that_a_killed_process_of_ours_left_is_none(run: Run, sqlite_store: Sample) -> None:
    workshop = Path(sqlite_store.target).parent / ".holystone-abc"
    workshop.mkdir()
    os.link(sqlite_store.target, workshop / "store.db")
    assert run("check", sqlite_store.target).status == 0


def test_writes_without_shared_memory_are_seen(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    """As in a copy of the file and its -wal file."""
    subprocess.run([sys.executable, "-c", CRASHING_WRITER, sqlite_store.target], check=True)
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{sqlite_store.target}{suffix}", f"{copy}{suffix}")
    report = run("check", str(copy), "--format", "json").json
    assert [finding["instance_id"] for finding in report["findings"]] == ["order-2"]


def test_journal_beside_a_file_in_wal_mode_is_not_passed_over(run: Run, sqlite_store: Sample) -> None:
    """A program that died as it changed the mode has left it: what is in the file is half done."""
    subprocess.run([sys.executable, "-c", CRASHING_HALFWAY, sqlite_store.target], check=True)
    with open(sqlite_store.target, "r+b") as file:
        file.seek(18)
        file.write(b"\2\2")
    result = run("check", sqlite_store.target)
    assert_refused(result, "holds half a transaction of a program that crashed")


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("command", [["check"], ["repair", "plan"]], ids=" ".join)
def test_file_that_is_replaced_meanwhile_makes_the_answer_unreliable(
    run: Run, sqlite_store: Sample, mode: str, command: list[str]
) -> None:
    path = Path(sqlite_store.target)
    sqlite_store.execute(f"PRAGMA journal_mode = {mode}")
    newer = shutil.copy(path, path.parent / "newer.db")
    statements = 0

    def replace(*_: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == 6:  # the store has been recognised, and the scan has begun
            os.replace(newer, path)

    event.listen(Engine, "after_cursor_execute", replace)
    try:
        result = run(*command, sqlite_store.target)
    finally:
        event.remove(Engine, "after_cursor_execute", replace)
    assert not Path(newer).exists()
    assert result.status == 2
    assert "Clean" not in result.out
    assert "so the answer is not reliable" in result.err

"""Files that are no store of the engine, or not all of one: never read as clean, never changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .helpers import Run, Sample, assert_refused, contents

COMMANDS = (
    ["check"],
    ["repair", "plan"],
    ["repair", "apply", "--yes"],
    ["repair", "log"],
    ["repair", "undo", "--yes"],
    ["migrate", "status"],
    ["migrate", "upgrade"],
    ["migrate", "adopt"],
    ["migrate", "sql"],
)


def words_for(command: list[str], target: str) -> list[str]:
    return [*command, target, "20250101-000000-000000"] if "undo" in command else [*command, target]


def no_file(path: Path) -> str:
    return "There is no file"


def directory(path: Path) -> str:
    path.mkdir()
    return "Error: "  # `check` looks for stores in it, the others say that it is none


def pipe(path: Path) -> str:
    os.mkfifo(path)
    return "is not a regular file"


def empty(path: Path) -> str:
    path.touch()
    return "is empty"


def random_bytes(path: Path) -> str:
    path.write_bytes(bytes(range(256)) * 64)
    return "is not a SQLite database"


def text(path: Path) -> str:
    path.write_text("SQLite format 4, perhaps\n" * 100)
    return "is not a SQLite database"


def another_programs(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    return "none of its tables is one of duroxide's"


def without_tables(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    return "none of its tables is one of duroxide's"


def magic_alone(path: Path) -> str:
    path.write_bytes(b"SQLite format 3\0")
    return "is truncated"


def damaged_header(path: Path) -> str:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)
    return "Error: "


@pytest.mark.parametrize(
    "make",
    [
        no_file,
        directory,
        pipe,
        empty,
        random_bytes,
        text,
        another_programs,
        without_tables,
        magic_alone,
        damaged_header,
    ],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_no_store_is_refused_and_left_alone(
    run: Run, tmp_path: Path, make: Callable[[Path], str], command: list[str]
) -> None:
    if make is no_file and command in (["migrate", "upgrade"], ["migrate", "sql"]):
        pytest.skip("this is how a store is made")
    path = tmp_path / "thing.db"
    says = make(path)
    before = contents(tmp_path)
    assert_refused(run(*words_for(command, str(path))), says)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "target", ["", ":memory:", "sqlite://", "sqlite:///:memory:", "x" * 5000, "no/such/folder/x.db"]
)
def test_what_names_no_file_is_refused(run: Run, target: str) -> None:
    assert_refused(run("check", target))


def in_the_header(size: int) -> int:
    return 60


def after_the_header(size: int) -> int:
    return 100


def in_the_middle(size: int) -> int:
    return size // 2


def one_page_short(size: int) -> int:
    return size - 4096


def one_byte_short(size: int) -> int:
    return size - 1


@pytest.mark.parametrize("cut", [in_the_header, after_the_header, in_the_middle, one_page_short, one_byte_short])
@pytest.mark.parametrize("command", [["check"], ["repair", "plan"], ["repair", "apply", "--yes"]], ids=" ".join)
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_truncated_store_is_refused(
    run: Run, sqlite_store: Sample, cut: Callable[[int], int], command: list[str], journal: str
) -> None:
    sqlite_store.execute(f"PRAGMA journal_mode = {journal}")
    path = Path(sqlite_store.target)
    os.truncate(path, cut(path.stat().st_size))
    before = contents(path.parent)
    assert_refused(run(*command, sqlite_store.target), "is truncated")
    assert contents(path.parent) == before


def test_a_damaged_page_is_no_clean_store(run: Run, sqlite_store: Sample) -> None:
    path = Path(sqlite_store.target)
    pages = path.read_bytes()
    # The first page holds the schema: with it the store is recognised, and all that is read after is damaged.
    path.write_bytes(pages[:4096] + b"\xde" * (len(pages) - 4096))
    result = run("check", sqlite_store.target)
    assert result.status == 2
    assert "is damaged" in result.err
    assert "Clean" not in result.out


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ("DROP TABLE history", "history"),
        ("DROP TABLE instance_locks", "instance_locks"),
        ("ALTER TABLE executions RENAME COLUMN output TO result", "executions.output"),
    ],
)
def test_half_a_store_is_refused_by_every_command(run: Run, breakable: Sample, change: str, lacks: str) -> None:
    breakable.execute(change)
    for command in COMMANDS:
        words = words_for(command, breakable.target)
        assert_refused(run(*words, *breakable.words[1:]), f"lacks {lacks}.")

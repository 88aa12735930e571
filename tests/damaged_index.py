"""SQLite files whose indexes do not go with their tables, as a bad disk, or a bad copy, may leave them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

HISTORY_INDEX = "sqlite_autoindex_history_1"


def let_index_show(file: str, index: str, *statements: str) -> None:
    """Put into a file the index as it is after statements that the file itself never sees; it is of one page."""
    with _settled(file) as connection:
        place, size = _page(connection, index)
    other = f"{file}-other"
    shutil.copyfile(file, other)
    with _settled(other) as connection:
        for statement in statements:
            connection.execute(statement)
    page = Path(other).read_bytes()[place : place + size]
    Path(other).unlink()
    assert page[0] == LEAF, "it has more than one page"
    with open(file, "r+b") as out:
        out.seek(place)
        out.write(page)


LEAF = 10
"""What a page begins with that is all of an index."""


@contextmanager
def _settled(file: str) -> Iterator[sqlite3.Connection]:
    """Yield a connection; all that was written by it, or before, is in the file itself afterwards."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _page(connection: sqlite3.Connection, index: str) -> tuple[int, int]:
    """Return where the first page of an index begins, and the size of a page."""
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [index]).fetchone()
    return (root - 1) * size, size


def entries(file: str, index: str) -> list[int]:
    """Return where in a file there is a byte of an index that is not zero; what is zero is mostly empty."""
    with _settled(file) as connection:
        place, size = _page(connection, index)
    page = Path(file).read_bytes()[place : place + size]
    return [place + offset for offset, byte in enumerate(page) if byte]


def let_entry_name(file: str, index: str, number: int, was: bytes, other: bytes) -> None:
    """Write another text of the same length into the n-th entry of an index that has this one, where the entry is."""
    with _settled(file) as connection:
        place, size = _page(connection, index)
    data = Path(file).read_bytes()
    offset = place
    for _ in range(number):
        offset = data.index(was, offset, place + size) + len(was)
    Path(file).write_bytes(data[: offset - len(was)] + other + data[offset:])


def said_by_sqlite(file: str) -> list[str]:
    """Return what SQLite's own check finds fault with."""
    with closing(sqlite3.connect(file)) as connection:
        try:
            said = [str(line) for (line,) in connection.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
    return [] if said == ["ok"] else said

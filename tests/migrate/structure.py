"""What a SQLite file is made of, in a form that does not depend on how its SQL was written."""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import copy_sqlite

LEDGER = "_sqlx_migrations"
NOT_THE_ENGINES = ("sqlite_", "holystone_")


@dataclass(frozen=True)
class TableShape:
    """A table: everything that SQLite itself tells of it, and of its declaration what it does not tell."""

    columns: list[tuple[Any, ...]]
    foreign_keys: list[tuple[Any, ...]]
    indexes: dict[str, tuple[Any, ...]]
    checks: list[str]
    autoincrement: bool
    kind: tuple[Any, ...]


def structure(path: Path | str) -> dict[str, Any]:
    """Return the engine's tables in the file, and the names of all else that is the engine's."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if not name.startswith(NOT_THE_ENGINES)
        ]
        others = connection.execute(
            "SELECT type, name, tbl_name FROM sqlite_master WHERE type NOT IN ('table', 'index') ORDER BY name"
        ).fetchall()
        return {**{name: _table(connection, name) for name in names}, "": others}


def _table(connection: sqlite3.Connection, name: str) -> TableShape:
    ((declaration,),) = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [name])
    plain = re.sub(r"\s+", "", re.sub(r"--[^\n]*", "", declaration)).upper()
    return TableShape(
        columns=connection.execute("SELECT * FROM pragma_table_xinfo(?)", [name]).fetchall(),
        foreign_keys=connection.execute("SELECT * FROM pragma_foreign_key_list(?)", [name]).fetchall(),
        indexes={
            index: (
                unique,
                origin,
                partial,
                connection.execute("SELECT * FROM pragma_index_xinfo(?)", [index]).fetchall(),
            )
            for _, index, unique, origin, partial in connection.execute("SELECT * FROM pragma_index_list(?)", [name])
            if not index.startswith(NOT_THE_ENGINES[1])
        },
        checks=re.findall(r"CHECK(\([^()]*\))", plain),
        autoincrement="AUTOINCREMENT" in plain,
        kind=connection.execute("SELECT type, ncol, wr, strict FROM pragma_table_list(?)", [name]).fetchone(),
    )


def ledger(path: Path | str) -> list[tuple[Any, ...]]:
    """Return all of the engine's ledger, each value with its type."""
    with closing(sqlite3.connect(path)) as connection:
        columns = "version, description, success, checksum, installed_on, execution_time"
        types = ", ".join(f"typeof({column})" for column in columns.split(", "))
        return connection.execute(f"SELECT {columns}, {types} FROM {LEDGER} ORDER BY rowid").fetchall()


def facts(entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return of ledger entries what does not differ from store to store."""
    return [(*entry[:4], *entry[6:]) for entry in entries]


def levels(store: Path, folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield the store as it was after each of the engine's migrations, with the number of these.

    The engine commits each of them by itself, and what it leaves behind is a WAL file with all commits in their
    order: cut after one of them, it is the engine's own store of that moment. Nothing may have opened the store since.
    """
    wal = Path(f"{store}-wal").read_bytes()
    page_size, frame = struct.unpack(">I", wal[8:12])[0], 32
    newest = -1
    found: dict[int, Path] = {}
    while frame < len(wal):
        pages_if_commit, salt = struct.unpack(">I8s", wal[frame + 4 : frame + 16])
        assert salt == wal[16:24], "the WAL file began anew: not all commits are in it"
        frame += 24 + page_size
        if not pages_if_commit:
            continue
        moment = folder / f"moment-{frame}.db"
        copy_sqlite(store, moment)
        Path(f"{moment}-wal").write_bytes(wal[:frame])
        Path(f"{moment}-shm").unlink(missing_ok=True)
        with closing(sqlite3.connect(moment)) as connection:
            has_ledger = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", [LEDGER]).fetchone()[0]
            newest = connection.execute(f"SELECT count(*) FROM {LEDGER}").fetchone()[0] if has_ledger else 0
        found[newest] = moment  # the last commit of a level: the engine notes the time that it took in one more
    yield from found.items()

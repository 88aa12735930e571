"""Stores that many tests use, one after the other: a copy for each, opened anew, costs more than most tests do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from conftest import SCHEMA, EngineStore, Original, copy_sqlite
from holystone.migrate import upgrade
from holystone.store import Store
from holystone.store.toolkit import versions
from postgresql import RunningServer, Server

Rows = list[tuple[Any, ...]]

_numbers = count()
"""One for each database: the stores of several folders of tests are in use in one process."""


@dataclass(frozen=True)
class KeptStore(EngineStore):
    """A store of the engine with a connection that stays open. Its tables are shared: only rows may be changed."""

    connected: Callable[..., Rows] = field(repr=False)

    def execute(self, statement: str, *values: Any) -> Rows:
        return self.connected(statement, *values)


@dataclass(frozen=True)
class Ground:
    """A store as the engine sees it, and opened by holystone; `clear` takes all rows away."""

    made: KeptStore
    store: Store
    clear: Callable[[], None]

    def execute(self, statement: str, *values: Any) -> Rows:
        return self.made.execute(statement, *values)


@contextmanager
def sqlite_ground(original: Original, directory: Path, *, upgraded: bool) -> Iterator[Ground]:
    """A copy of a SQLite store, with the toolkit's own tables where it is `upgraded`."""
    file = directory / "store.db"
    copy_sqlite(Path(original.target), file)
    store = _opened(str(file), None, upgraded=upgraded)
    tables = _emptied(store)
    with closing(store), closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")

        def execute(statement: str, *values: Any) -> Rows:
            return connection.execute(statement, values).fetchall()

        def clear() -> None:
            for table in [*tables, "sqlite_sequence"]:
                execute(f'DELETE FROM "{table}"')

        yield Ground(KeptStore(str(file), None, original.version, "sqlite", {}, execute), store, clear)


@contextmanager
def postgresql_ground(original: Original, server: Server | RunningServer, *, upgraded: bool) -> Iterator[Ground]:
    """A copy of a PostgreSQL store, with the toolkit's own tables where it is `upgraded`."""
    database = f"holystone_ground_{os.getpid()}_{next(_numbers)}"
    target = server.create_database(database, template=original.database)
    store = _opened(target, SCHEMA, upgraded=upgraded)
    tables = _emptied(store)
    with closing(store), psycopg.connect(target, autocommit=True, options=f"-csearch_path={SCHEMA}") as connection:

        def execute(statement: str, *values: Any) -> Rows:
            cursor = connection.execute(statement.replace("%", "%%").replace("?", "%s").encode(), values or None)
            return cursor.fetchall() if cursor.description else []

        def clear() -> None:
            execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
            number_on(execute)

        yield Ground(KeptStore(target, SCHEMA, original.version, "postgresql", {}, execute), store, clear)
    server.drop_database(database)


def number_on(execute: Callable[..., Rows]) -> None:
    """Have the queues number their messages above all that tests write with numbers of their own."""
    for queue in ("orchestrator_queue", "worker_queue"):
        execute("SELECT setval(?::regclass, ?)", f"{queue}_id_seq", 2**62)


def _opened(target: str, schema: str | None, *, upgraded: bool) -> Store:
    if upgraded:
        with closing(Store.open(target, schema)) as store:
            upgrade(store)
    return Store.open(target, schema)


def _emptied(store: Store) -> list[str]:
    """Return the tables that are empty in a new store: all but the ledgers of what was migrated."""
    return sorted(store.columns.keys() - {store.flavour.ledger.name, versions.name})

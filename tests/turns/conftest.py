"""A kit on an empty store of the engine, on both flavours."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import ENGINES, SCHEMA, EngineStore, Flavour, Originals, Serve, copy_sqlite
from holystone.store import Store
from turns.clean import CleanCheck
from turns.kit import Kit

NEWEST = ENGINES[-1]

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Ground:
    """A store that many tests use, one after the other: a copy for each, opened anew, costs more than most tests do.

    `execute` is that of the store, on a connection that stays open; `clear` takes all rows away.
    """

    made: EngineStore
    store: Store
    clean: CleanCheck
    execute: Callable[..., Rows]
    clear: Callable[[], None]


@pytest.fixture(scope="session")
def sqlite_ground(originals: Originals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    file = tmp_path_factory.mktemp("turns") / "store.db"
    copy_sqlite(Path(originals(NEWEST, "sqlite", ()).target), file)
    made = EngineStore(str(file), None, NEWEST, "sqlite", {})
    store = Store.open(made.target)
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")

        def execute(statement: str, *values: Any) -> Rows:
            return connection.execute(statement, values).fetchall()

        def clear() -> None:
            for table in emptied(store):
                execute(f'DELETE FROM "{table}"')

        yield Ground(made, store, CleanCheck(store), execute, clear)
        store.close()


@pytest.fixture(scope="session")
def postgresql_ground(originals: Originals, servers: Serve) -> Iterator[Ground]:
    database = f"holystone_turns_{os.getpid()}"
    target = servers(0).create_database(database, template=originals(NEWEST, "postgresql", ()).database)
    made = EngineStore(target, SCHEMA, NEWEST, "postgresql", {})
    store = Store.open(made.target, made.schema)
    with (
        psycopg.connect(target, autocommit=True, options=f"-csearch_path={SCHEMA}") as connection,
        store._reader.connect() as reader,
    ):

        def execute(statement: str, *values: Any) -> Rows:
            cursor = connection.execute(statement.replace("%", "%%").replace("?", "%s").encode(), values or None)
            return cursor.fetchall() if cursor.description else []

        def clear() -> None:
            execute(f"TRUNCATE {', '.join(emptied(store))} RESTART IDENTITY")

        yield Ground(made, store, CleanCheck(store, reader), execute, clear)
        store.close()
    servers(0).drop_database(database)


def emptied(store: Store) -> list[str]:
    """Return the tables that are empty in a new store: all but the engine's own ledger."""
    return sorted(store.columns.keys() - {store.flavour.ledger.name})


@pytest.fixture
def ground(request: pytest.FixtureRequest, flavour: Flavour) -> Iterator[Ground]:
    """An empty store; whatever a test does to it by turns, the catalogue must find it clean in the end."""
    ground: Ground = request.getfixturevalue(f"{flavour}_ground")
    ground.clear()
    yield ground
    assert ground.clean.findings() == []


@pytest.fixture
def made(ground: Ground) -> EngineStore:
    """The store, as the other tests know one. Its tables are shared: only rows may be changed."""
    return ground.made


@pytest.fixture
def kit(ground: Ground) -> Kit:
    return Kit(ground.store)


class Clock:
    """The store's clock, which stands still until a test lets time pass: no lock expires by a slow machine."""

    def __init__(self) -> None:
        self._ns = time.time_ns()

    @property
    def now_ms(self) -> int:
        return self._ns // 1_000_000

    def time_ns(self) -> int:
        """The one function that the store's clock asks of `time`."""
        return self._ns

    def pass_ms(self, ms: int) -> None:
        self._ns += ms * 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Take the store's time into the test's own hands."""
    clock = Clock()
    monkeypatch.setattr("holystone.clock.time", clock)
    return clock


Column = Callable[..., object]


@pytest.fixture
def column(ground: Ground) -> Column:
    """Return a function that reads one value of a table."""

    def read(table: str, name: str, **key: object) -> object:
        condition = " AND ".join(f"{column} = ?" for column in key) or "1 = 1"
        rows = ground.execute(f"SELECT {name} FROM {table} WHERE {condition}", *key.values())
        return rows[0][0] if rows else None

    return read

"""Stores that the engine made, and cheap copies of them, on either flavour."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.datetime import TimestamptzLoader

from engine.engines import ENGINES, run_driver
from holystone.migrate import upgrade
from holystone.store import Store
from postgresql import RunningServer, Server, find_servers

SCENARIOS = "judged,judged-in-flight,judged-queued"
SCHEMA = "engine"
MEMORY = "/dev/shm"
LAPSE_SECONDS = 7.0
"""After so long all locks of the runtime that died have lapsed, and the timer of `live-timer` is due."""

Row = Mapping[str, Any]
Statement = tuple[str, Sequence[Any]]

KEYS: Mapping[str, tuple[str, ...]] = {
    "instances": ("instance_id",),
    "executions": ("instance_id", "execution_id"),
    "history": ("instance_id", "execution_id", "event_id"),
    "orchestrator_queue": ("id",),
    "worker_queue": ("id",),
    "instance_locks": ("instance_id",),
    "sessions": ("session_id",),
    "kv_store": ("instance_id", "key"),
    "kv_delta": ("instance_id", "key"),
}
"""The engine's tables that have rows, and what tells their rows apart."""


class AnyTimeLoader(TimestamptzLoader):
    """Loads times beyond Python's calendar, infinity among them, as text: one such row hides no other."""

    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


@dataclass(frozen=True)
class Place:
    """A store for one use: damaged, repaired, played or deleted from, and then thrown away."""

    flavour: str
    target: str
    schema: str | None
    name: str

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Yield a connection of the driver's that commits each statement, and takes `?` for a value."""
        if self.flavour == "sqlite":
            with closing(sqlite3.connect(self.target, timeout=20, isolation_level=None)) as connection:
                yield connection
            return
        options = f"-csearch_path={SCHEMA}"
        with psycopg.connect(self.target, autocommit=True, options=options) as connection:
            connection.adapters.register_loader("timestamptz", AnyTimeLoader)
            yield connection

    def execute(self, statements: Sequence[Statement]) -> int:
        """Run all statements in one transaction; return how many rows they touched, -1 counting as one."""
        touched = 0
        with self.connected() as connection:
            connection.execute("BEGIN")
            for statement, values in statements:
                touched += abs(connection.execute(*self.words(statement, values)).rowcount)
            connection.execute("COMMIT")
        return touched

    def rows(self, tables: Iterable[str] = KEYS) -> dict[str, list[Row]]:
        """Return all rows of some of the engine's tables, in the order of their keys."""
        with self.connected() as connection:
            return {table: rows_of(connection, table) for table in tables}

    def words(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return what the driver's `execute` takes for a statement with question marks and its values."""
        if self.flavour == "sqlite":
            return statement, values
        if not values:
            return (statement.encode(),)
        return statement.replace("%", "%%").replace("?", "%s").encode(), values


def rows_of(connection: Any, table: str) -> list[Row]:
    """Return all rows of a table, in the order of their keys."""
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(KEYS[table])}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@dataclass
class Stores:
    """The original store of a flavour, and copies."""

    flavour: str
    directory: Path
    server: Server | RunningServer | None
    _numbers: Iterator[int] = field(default_factory=count)

    @cached_property
    def original(self) -> Place:
        """The store as the engine left it, with the toolkit's own tables beside."""
        place = self.new()
        schema = [] if place.schema is None else ["--schema", place.schema]
        run_driver(ENGINES[-1], "workload", place.target, *schema, "--only", SCENARIOS)
        if self.server is None:
            with place.connected() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(Store.open(place.target, place.schema)) as store:
            upgrade(store)
        time.sleep(LAPSE_SECONDS)
        return place

    def copy(self, source: Place) -> Place:
        """Return a copy of a store that nobody has open."""
        place = self._named()
        if self.server is not None:
            self.server.create_database(place.name, template=source.name)
            return place
        for suffix in ("", "-wal"):
            if os.path.exists(source.target + suffix):
                shutil.copyfile(source.target + suffix, place.target + suffix)
        return place

    def drop(self, place: Place) -> None:
        """Remove a copy."""
        if self.server is not None:
            self.server.drop_database(place.name)
            return
        for suffix in ("", "-wal", "-shm"):
            Path(place.target + suffix).unlink(missing_ok=True)

    def new(self) -> Place:
        """Return a place where nothing is yet: the name of a file, or an empty database."""
        place = self._named()
        if self.server is not None:
            self.server.create_database(place.name)
        return place

    def _named(self) -> Place:
        name = f"judge_{os.getpid()}_{next(self._numbers)}"
        if self.server is None:
            return Place(self.flavour, str(self.directory / f"{name}.db"), None, name)
        return Place(self.flavour, self.server.url(name), SCHEMA, name)


@contextmanager
def stores_of(flavour: str) -> Iterator[Stores]:
    """Yield the stores of a flavour; they are gone afterwards."""
    server = find_servers()[0] if flavour == "postgresql" else None
    directory = Path(tempfile.mkdtemp(prefix="holystone-judge-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        if server is not None:
            server.start()
        yield Stores(flavour, directory, server)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)

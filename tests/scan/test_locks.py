"""Scans and those who change the tables on PostgreSQL: no table is seen half changed, and nobody waits for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, func, select, text

from conftest import ENGINES, EngineStore, MakeStore
from holystone.duroxide.tables import metadata
from holystone.errors import StoreUnavailableError
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
CHANGES = {
    "table": "LOCK TABLE {}.history",
    "index": "REINDEX INDEX {}.history_pkey",
    "rewritten": "ALTER TABLE {}.history ALTER COLUMN event_data TYPE text USING event_data || ''",
}
"""What asks for a lock beside which there can be no other."""


@pytest.fixture
def made(engine_store: MakeStore) -> EngineStore:
    return engine_store(ENGINES[-1], "postgresql", ["completed", "chains", "waiting"])


@pytest.fixture
def store(made: EngineStore) -> Store:
    return Store.open(made.target, made.schema, read_only=True)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def change(connection: psycopg.Connection, made: EngineStore, name: str) -> None:
    connection.execute(sql.SQL(CHANGES[name]).format(sql.Identifier(str(made.schema))))


def changing(pool: ThreadPoolExecutor, made: EngineStore, name: str) -> Future[None]:
    """Return once somebody waits for a lock, and what tells when they have had it."""

    def run() -> None:
        with psycopg.connect(made.target) as connection:
            change(connection, made, name)

    done = pool.submit(run)
    until_somebody_waits(made)
    return done


def until_somebody_waits(made: EngineStore) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(made.target, autocommit=True) as watcher:
        while watcher.execute(WAITING).fetchone() is None:
            assert time.monotonic() < deadline, "nobody waits for a lock"


def read_all(store: Store, connection: Connection) -> None:
    connection.execute(text("SET LOCAL statement_timeout = '5s'"))
    for table in metadata.tables.values():
        if table.name in store.columns:
            connection.execute(select(func.count()).select_from(table))


@pytest.mark.parametrize("name", CHANGES)
def test_connections_do_not_wait_behind_whom_they_keep_waiting(
    made: EngineStore, store: Store, pool: ThreadPoolExecutor, name: str
) -> None:
    with store.snapshots(3) as connections:
        assert len(connections) == 3
        done = changing(pool, made, name)
        for connection in connections:
            read_all(store, connection)
        assert not done.done()
    done.result(timeout=30)


def test_table_that_is_rewritten_is_read_as_it_is_then(
    made: EngineStore, store: Store, pool: ThreadPoolExecutor
) -> None:
    def check() -> list[str]:
        scan = Scan(store, select_checks(Level.deep), level=Level.deep, jobs=2)
        found = [finding.message for finding in scan]
        assert scan.verdict is Verdict.clean, found
        return found

    with psycopg.connect(made.target) as other:
        change(other, made, "rewritten")
        checked = pool.submit(check)
        until_somebody_waits(made)
    assert checked.result(timeout=30) == []


def test_migration_that_wants_another_table_meanwhile_is_not_ended(
    made: EngineStore, store: Store, pool: ThreadPoolExecutor
) -> None:
    with psycopg.connect(made.target) as other:
        # A check locks them by name: it has executions by then, and waits for history.
        change(other, made, "rewritten")
        checked = pool.submit(lambda: list(Scan(store, select_checks(Level.quick))))
        until_somebody_waits(made)
        other.execute("SET deadlock_timeout = '1s'")
        other.execute(sql.SQL("LOCK TABLE {}.executions").format(sql.Identifier(str(made.schema))))
    assert checked.result(timeout=30) == []


def test_connection_that_would_have_to_wait_is_left_out(
    made: EngineStore, store: Store, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Future[None]] = []
    export_snapshot = store.flavour.export_snapshot

    def disturbed(connection: Connection) -> str | None:
        view = export_snapshot(connection)
        done.append(changing(pool, made, "table"))
        return view

    monkeypatch.setattr(store.flavour, "export_snapshot", disturbed)
    with store.snapshots(3) as connections:
        assert len(connections) == 1
        read_all(store, connections[0])
        with pytest.raises(StoreUnavailableError), store.snapshots(1, export_snapshot(connections[0])):
            pass
    done[0].result(timeout=30)

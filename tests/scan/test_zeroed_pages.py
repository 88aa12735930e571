"""A page of a table that was lost, and reads as zeros: PostgreSQL takes it for an empty one, whatever its settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from conftest import ENGINES, MISSING, SCHEMA, EngineStore, MakeStore, one_and_long
from holystone.mend.plan import make_plan
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store
from postgresql import RunningServer, Server

pytestmark = pytest.mark.slow


PAGE = 8192
TABLES = ("history", "executions", "instances", "worker_queue", "orchestrator_queue")


class Zeroed:
    """Makes copies of stores, each without the first page of a table."""

    def __init__(self, server: Server | RunningServer) -> None:
        self._server = server
        self.databases: list[str] = []

    def __call__(self, store: EngineStore, table: str) -> Store:
        """Copy the files of the store's database, and write zeros over the page before anybody has read it."""
        with psycopg.connect(store.target, autocommit=True) as of_store:
            of_store.execute("CHECKPOINT")
            row = of_store.execute("SHOW data_directory").fetchone()
            assert row is not None
            folder = Path(row[0])
            row = of_store.execute("SELECT pg_relation_filepath(%s::regclass)", [f"{SCHEMA}.{table}"]).fetchone()
            assert row is not None
            file = Path(row[0]).name
            database = of_store.info.dbname
        name = f"{database}_zeroed"
        self._server.drop_database(name)
        self.databases.append(name)
        with psycopg.connect(self._server.url(), autocommit=True) as admin:
            copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            admin.execute(copy.format(sql.Identifier(name), sql.Identifier(database)))
            row = admin.execute("SELECT oid FROM pg_database WHERE datname = %s", [name]).fetchone()
            assert row is not None
        with (folder / "base" / str(row[0]) / file).open("r+b") as out:
            assert out.read(PAGE) != bytes(PAGE)
            out.seek(0)
            out.write(bytes(PAGE))
        return Store.open(self._server.url(name), SCHEMA)


@pytest.fixture
def zeroed(postgresql: Server | RunningServer) -> Iterator[Zeroed]:
    if not isinstance(postgresql, Server):
        pytest.skip(f"{MISSING}the files of a server that is named by its URL cannot be edited")
    making = Zeroed(postgresql)
    yield making
    for database in making.databases:
        postgresql.drop_database(database)


def vacuum(store: EngineStore) -> None:
    """Vacuum until the visibility map has every page: VACUUM passes over one that somebody else holds at the moment."""
    seen = "relnamespace = %s::regnamespace AND relkind = 'r' AND relallvisible < relpages"
    with psycopg.connect(store.target, autocommit=True) as connection:
        while True:
            connection.execute("VACUUM")
            [left] = connection.execute(f"SELECT count(*) FROM pg_class WHERE {seen}", [SCHEMA]).fetchone() or [0]
            if left == 0:
                return


def safe_changes(store: Store) -> list[tuple[str, bool]]:
    """Return what a plan has as safe: each repair, and whether it does no more than put a row back."""
    plan = make_plan(store, select_checks(Level.deep))
    return [(change.repair, change.before is None) for change in plan.changes if change.safety == "safe"]


@pytest.mark.parametrize("amcheck", [True, False])
@pytest.mark.parametrize("table", one_and_long(TABLES))
def test_rows_that_only_an_index_still_shows_are_named_and_nothing_is_safe(
    engine_store: MakeStore, zeroed: Zeroed, table: str, amcheck: bool
) -> None:
    made = engine_store(ENGINES[-1], "postgresql")
    vacuum(made)
    if amcheck:
        made.execute("CREATE EXTENSION amcheck")
    store = zeroed(made, table)
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    named = {str(finding.observed["damaged"]) for finding in scan if finding.check.id == "S009"}
    assert scan.verdict is Verdict.drift
    assert any(name.endswith(f" on {table}") for name in named), named
    assert safe_changes(zeroed(made, table)) == []


@pytest.mark.parametrize("table", one_and_long(TABLES))
def test_rows_that_nothing_shows_any_more_make_no_repair_safe_that_overwrites(
    engine_store: MakeStore, zeroed: Zeroed, table: str
) -> None:
    """Before VACUUM has been there an index does not tell: only what the tables say of each other is left."""
    store = zeroed(engine_store(ENGINES[-1], "postgresql"), table)
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    found = {finding.check.id for finding in scan}
    assert scan.verdict is Verdict.drift
    assert "S009" not in found
    assert [change for change in safe_changes(store) if not change[1]] == []

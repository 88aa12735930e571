"""Stores of both flavours, as the real engine makes them, and commands run in this process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import FLAVOURS, SERVERS, missing
from holystone.store.toolkit import metadata
from postgresql import Server

from .helpers import GHOST, SCHEMA, STALE, UNDATED, Sample, create, fill

TABLES = ("instances", "executions", "history", "orchestrator_queue", "worker_queue", "instance_locks", "kv_store")
OURS = ("holystone_migrations", *(table.name for table in reversed(metadata.sorted_tables)))
RESTORE = "; ".join(
    ["DROP INDEX IF EXISTS holystone_executions_status"]
    + [f"DROP TABLE IF EXISTS {table}" for table in OURS]
    + [f"DELETE FROM {table}" for table in reversed(TABLES)]
    + [f"INSERT INTO {table} SELECT * FROM saved.saved_{table}" for table in TABLES]
)
SLOW_ON_POSTGRESQL = frozenset(
    {
        "test_exit_status",
        "test_hidden_rows",
        "test_matrix",
        "test_plan_file",
        "test_race_window",
        "test_report",
        "test_round_trip",
        "test_selection",
        "test_since",
    }
)
"""Files whose tests take some seconds each on PostgreSQL: those are long ones."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_slow = item.path.parent == Path(__file__).parent and item.path.stem in SLOW_ON_POSTGRESQL
        if is_slow and ("postgresql" in getattr(item, "fixturenames", ()) or "postgresql" in item.name):
            item.add_marker(pytest.mark.long)


@contextmanager
def server_of_its_own(program: str = "postgres") -> Iterator[tuple[Server, Sample]]:
    """Yield a server that a test may stop, and a healthy store on it; the server's programs have to have this one."""
    found = next((server for server in SERVERS if isinstance(server, Server)), None)
    if found is None or not (found.bin_dir / program).exists():
        missing(f"no PostgreSQL with {program} that a test may stop")
    server = Server(found.bin_dir)
    server.start()
    try:
        url = server.create_database("store")
        create(url, "--schema", SCHEMA)
        store = Sample(url, SCHEMA)
        fill(store)
        yield server, store
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _nothing_steers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HOLYSTONE_", "PG", "NO_COLOR"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy store in a file, in WAL mode as the engine leaves it, and closed."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    create(str(path))
    fill(Sample(str(path)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Any) -> Iterator[str]:
    """The name of a database that holds a healthy store."""
    with new_database(postgresql) as (name, url):
        create(url, "--schema", SCHEMA)
        fill(Sample(url, SCHEMA))
        yield name


@pytest.fixture(scope="session")
def postgresql_common(postgresql: Any, postgresql_template: str) -> Iterator[Sample]:
    """A store that tests use one after the other; use `postgresql_store`, which is as good as new."""
    with new_database(postgresql, postgresql_template) as (_, url):
        store = Sample(url, SCHEMA)
        store.execute("CREATE SCHEMA saved")
        for table in TABLES:
            store.execute(f"CREATE TABLE saved.saved_{table} AS TABLE {table}")
        yield store


@contextmanager
def new_database(server: Any, template: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield the name and the URL of a database that is dropped in the end."""
    name = f"cli_{uuid.uuid4().hex}"
    yield name, server.create_database(name, template=template)
    server.drop_database(name)


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Sample:
    """A healthy store in a file, the only one in its folder."""
    folder = tmp_path / "store"
    folder.mkdir()
    return Sample(str(shutil.copy(sqlite_template, folder / "store.db")))


@pytest.fixture
def postgresql_store(postgresql_common: Sample) -> Iterator[Sample]:
    """A healthy store whose rows a test may change; to copy a database for each test takes too long."""
    yield postgresql_common
    postgresql_common.execute(RESTORE)


@pytest.fixture
def postgresql_database(postgresql: Any, postgresql_template: str) -> Iterator[Sample]:
    """A healthy store in a database of its own, whose schema a test may change."""
    with new_database(postgresql, postgresql_template) as (_, url):
        yield Sample(url, SCHEMA)


@pytest.fixture
def role(postgresql: Any, postgresql_store: Sample) -> Iterator[str]:
    """The name of a role that may log in to the store's server, with `secret`, and nothing else."""
    name = f"role_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'".encode())
    yield name
    with psycopg.connect(postgresql_store.target, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


@pytest.fixture
def reader(postgresql_store: Sample, role: str) -> Sample:
    """The store as a role sees it that may use the schema and read its tables, and nothing else."""
    postgresql_store.execute(
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}"
    )
    return postgresql_store.seen_by(role)


@pytest.fixture(params=FLAVOURS)
def healthy(request: pytest.FixtureRequest) -> Sample:
    """A store in which there is nothing to find, of each flavour in turn."""
    store: Sample = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture(params=["sqlite_store", "postgresql_database"], ids=FLAVOURS)
def breakable(request: pytest.FixtureRequest) -> Sample:
    """A healthy store whose schema a test may change, of each flavour in turn."""
    store: Sample = request.getfixturevalue(request.param)
    return store


@pytest.fixture
def drifted(healthy: Sample) -> Sample:
    """A store with a critical finding and one that is an error; safe repairs mend both."""
    healthy.execute(STALE + UNDATED)
    return healthy


@pytest.fixture
def haunted(healthy: Sample) -> Sample:
    """A store with a ghost."""
    healthy.execute(GHOST)
    return healthy

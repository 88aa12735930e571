"""Shapes are recognised by structure: those that the engine's versions make, and what differs from them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from conftest import ENGINES, Flavour, MakePlace, MakeStore, available
from engine.engines import run_driver
from holystone.flavours.postgresql.lineage import LINEAGE as POSTGRESQL_LINEAGE
from holystone.flavours.sqlite.lineage import LINEAGE as SQLITE_LINEAGE
from holystone.store import Store
from holystone.store.shape import Shape, recognise

from .conftest import EACH_ENGINE, Lineage
from .old_stores import forget_ledger, make_fallback, make_level

ALL_ENGINES = ("0.1.28", "0.2.0", "0.2.1", "0.2.2")
POSTGRESQL_END = {"0.1.28": 23, "0.2.0": 23, "0.2.1": 25, "0.2.2": 25}
MIGRATED = "migrated (engine migration {})"


def shape_of(target: str | Path, schema: str | None = None) -> Shape:
    store = Store.open(str(target), schema, read_only=True)
    with store.snapshot() as connection:
        return recognise(store, connection)


def assert_known(shape: Shape, name: str) -> None:
    assert shape == Shape(name, True, [], [], False)


def facts_of(target: str | Path, schema: str | None = None) -> dict[str, str]:
    """Return what the engine's tables are made of."""
    store = Store.open(str(target), schema, read_only=True)
    with store.snapshot() as connection:
        facts = store.flavour.structure.facts(connection, store.flavour.structure.lineage.tables)
    return {name: what for name, what in facts.items() if not name.startswith("index holystone_")}


def test_sqlite_at_each_level(lineage: Lineage) -> None:
    levels = SQLITE_LINEAGE.levels
    assert len(levels) == 12
    for number, level in enumerate(levels, 1):
        assert_known(shape_of(lineage[number]), MIGRATED.format(level.version))
        assert facts_of(lineage[number]) == level.facts


@pytest.mark.long
@pytest.mark.parametrize("version", ALL_ENGINES)
def test_sqlite_of_every_version(version: str, tmp_path: Path) -> None:
    available(version)
    run_driver(version, "create", tmp_path / "store.db")
    assert_known(shape_of(tmp_path / "store.db"), MIGRATED.format(20240112000000))
    make_fallback(version, tmp_path / "fallback.db")
    assert_known(shape_of(tmp_path / "fallback.db"), "fallback")


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_the_fallback_shape(version: str, tmp_path: Path) -> None:
    available(version)
    path = tmp_path / "store.db"
    make_fallback(version, path)
    assert_known(shape_of(path), "fallback")
    assert facts_of(path) == SQLITE_LINEAGE.others["fallback"]
    # With a ledger that it could go on from, the engine does half a migration, and falls back again.
    forget_ledger(path)
    run_driver(version, "create", path)
    assert_known(shape_of(path), "fallback, opened again")


@pytest.mark.parametrize("version", ENGINES)
def test_postgresql_as_the_engine_leaves_it(version: str, engine_store: MakeStore) -> None:
    store = engine_store(version, "postgresql", ())
    last = POSTGRESQL_END[version]
    assert_known(shape_of(store.target, store.schema), MIGRATED.format(last))
    (level,) = (level for level in POSTGRESQL_LINEAGE.levels if level.version == last)
    assert facts_of(store.target, store.schema) == level.facts


@pytest.mark.long
@pytest.mark.parametrize("version", ALL_ENGINES)
def test_postgresql_at_each_level(version: str, postgresql_schema: MakePlace) -> None:
    available(version)
    for level in POSTGRESQL_LINEAGE.levels:
        if level.version > POSTGRESQL_END[version]:
            break
        place = postgresql_schema()
        make_level(version, place, level.version)
        assert_known(shape_of(place.target, place.schema), MIGRATED.format(level.version))
        assert facts_of(place.target, place.schema) == level.facts


def test_the_declarations_are_those_of_the_ledgers(lineage: Lineage, engine_store: MakeStore) -> None:
    with closing(sqlite3.connect(lineage[12])) as connection:
        entries = connection.execute("SELECT version, description FROM _sqlx_migrations ORDER BY version").fetchall()
    assert entries == [(level.version, level.description) for level in SQLITE_LINEAGE.levels]
    store = engine_store(ENGINES[-1], "postgresql", ())
    names = store.execute("SELECT version, name FROM _duroxide_migrations ORDER BY version")
    levels = [level for level in POSTGRESQL_LINEAGE.levels if level.version <= POSTGRESQL_END[ENGINES[-1]]]
    assert names == [(level.version, f"{level.version:04}_{level.description}.sql") for level in levels]


DAMAGES: dict[str, tuple[str, ...]] = {
    "DROP INDEX idx_orch_lock": ("it lacks the index idx_orch_lock on orchestrator_queue (lock_token){where}",),
    "DROP INDEX idx_orch_lock; CREATE INDEX idx_orch_lock ON orchestrator_queue (lock_token, id)": (
        "its index idx_orch_lock is 'on orchestrator_queue (lock_token, id)',"
        " not 'on orchestrator_queue (lock_token){where}'",
    ),
    "ALTER TABLE executions ADD COLUMN tenant TEXT NOT NULL DEFAULT 'a'": (
        "it has the column executions.tenant {text} not null default 'a'{cast}, which the engine's has not",
    ),
    "ALTER TABLE instances RENAME COLUMN custom_status TO status_text": (
        "it lacks the column instances.custom_status {text}",
        "it has the column instances.status_text {text}, which the engine's has not",
    ),
    "DROP TABLE sessions": (
        "it lacks the column sessions.session_id {key}",
        "it lacks the column sessions.worker_id {text} not null",
        "it lacks the column sessions.locked_until {number} not null",
        "it lacks the column sessions.last_activity_at {number} not null",
        "it lacks the key sessions (session_id)",
    ),
    "DROP TABLE sessions; CREATE TABLE sessions (session_id INTEGER PRIMARY KEY, worker_id TEXT NOT NULL CHECK"
    " (worker_id <> 'x, y'), locked_until {number} NOT NULL, last_activity_at {number})": (
        "its column sessions.session_id is {integer_key!r}, not {key!r}",
        "its column sessions.last_activity_at is {number!r}, not '{number} not null'",
        "it has the check sessions {check}, which the engine's has not",
    ),
}
WORDS = {
    "sqlite": {
        **{"text": "TEXT", "key": "TEXT", "number": "INTEGER", "integer_key": "INTEGER", "where": "", "cast": ""},
        "check": "(worker_id <> 'x, y')",
    },
    "postgresql": {
        **{"text": "text", "key": "text not null", "number": "bigint", "integer_key": "integer not null"},
        **{"where": " where lock_token IS NOT NULL", "cast": "::text"},
        "check": "CHECK (worker_id <> 'x, y'::text)",
    },
}


@pytest.mark.parametrize("script", DAMAGES)
def test_what_differs_is_said(engine_store: MakeStore, flavour: Flavour, script: str) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    words = WORDS[flavour]
    for statement in script.format(**words).split("; "):
        store.execute(statement)
    nearest = MIGRATED.format(20240112000000 if flavour == "sqlite" else 25)
    differences = [line.format(**words) for line in DAMAGES[script]]
    assert shape_of(store.target, store.schema) == Shape(
        f"unknown, nearest to {nearest}", False, differences, [], False
    )


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP FUNCTION ack_worker", "it lacks the function ack_worker(text, text, text, bigint)"),
        ("ALTER TABLE history ALTER COLUMN event_data TYPE varchar", None),
        ("ALTER TABLE history ADD FOREIGN KEY (instance_id) REFERENCES instances", None),
        ("ALTER TABLE instances ALTER COLUMN custom_status_version DROP DEFAULT", None),
    ],
)
def test_what_differs_on_postgresql_alone(engine_store: MakeStore, statement: str, says: str | None) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ())
    store.execute(statement)
    shape = shape_of(store.target, store.schema)
    assert not shape.known
    assert len(shape.differences) == 1
    assert says in (None, shape.differences[0])


def test_an_index_that_is_not_valid_is_none(engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ())
    store.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_worker_available'::regclass")
    (said,) = shape_of(store.target, store.schema).differences
    assert said.startswith("its index idx_worker_available is 'on worker_queue (lock_token, id) (invalid)', not")


ADDITIONS = {
    "CREATE TABLE reports (id INTEGER)": "table reports",
    "CREATE UNIQUE INDEX by_name ON instances (orchestration_name, instance_id)": (
        "index by_name unique on instances (orchestration_name, instance_id)"
    ),
    "CREATE INDEX failed ON executions (completed_at DESC) WHERE status = 'Failed'": (
        "index failed on executions (completed_at {desc}) where {condition}"
    ),
    "CREATE TRIGGER audit AFTER UPDATE ON executions {body}": "trigger audit on executions",
}


def test_what_others_added_is_mentioned_and_no_fault(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    words = {"body": "BEGIN SELECT 1; END", "desc": "desc", "condition": "status = 'Failed'"}
    if flavour == "postgresql":
        store.execute("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
        words = {"body": "EXECUTE FUNCTION nothing()", "desc": "DESC", "condition": "status = 'Failed'::text"}
    for statement in ADDITIONS:
        store.execute(statement.format(**words))
    shape = shape_of(store.target, store.schema)
    assert (shape.known, shape.differences) == (True, [])
    assert sorted(shape.additions) == sorted(said.format(**words) for said in ADDITIONS.values())


LEDGERS: dict[str, tuple[str, str]] = {
    "sqlite": ("_sqlx_migrations", "20240105000000"),
    "postgresql": ("_duroxide_migrations", "10"),
}
FAULTS = {
    "DELETE FROM {ledger} WHERE version = {one}": "its ledger lacks migration {one} (add",
    "DELETE FROM {ledger} WHERE version > {one}": "its ledger ends at migration {one}, but its tables are those of",
    "DELETE FROM {ledger}": "its ledger is empty",
    "DROP TABLE {ledger}": "it has no ledger of the engine's migrations",
    "UPDATE {ledger} SET version = version + 1 WHERE version = {one}": "of its ledger is none that holystone knows",
}


@pytest.mark.parametrize("statement", FAULTS)
def test_a_ledger_that_does_not_go_with_the_tables_is_told(
    engine_store: MakeStore, flavour: Flavour, statement: str
) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    ledger, one = LEDGERS[flavour]
    if "version + 1" in statement and flavour == "postgresql":
        store.execute("DELETE FROM _duroxide_migrations WHERE version = 23")
        statement = "INSERT INTO {ledger} (version, name) VALUES (22, 'unknown')"
    store.execute(statement.format(ledger=ledger, one=one))
    shape = shape_of(store.target, store.schema)
    assert not shape.known
    assert FAULTS.get(statement, "of its ledger is none that holystone knows").format(one=one) in shape.differences[0]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("success = FALSE", "is marked as failed in its ledger"),
        ("checksum = x'00'", "has another checksum"),
        ("checksum = 'x'", "has another"),
    ],
)
def test_a_migration_that_the_engine_would_not_count_is_told(engine_store: MakeStore, column: str, says: str) -> None:
    store = engine_store(ENGINES[-1], "sqlite", ())
    store.execute(f"UPDATE _sqlx_migrations SET {column} WHERE version = 20240105000000")
    (said,) = shape_of(store.target).differences
    assert said.startswith(f"migration 20240105000000 {says}")


def test_a_newer_engines_schema_is_unknown_and_said_to_be_newer(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    values = {
        "sqlite": "(20990101000000, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 1)",
        "postgresql": "(26, 'known'), (99, 'later')",
    }[flavour]
    store.execute(f"INSERT INTO {LEDGERS[flavour][0]} VALUES {values}")
    store.execute("ALTER TABLE instances ADD COLUMN later TEXT")
    shape = shape_of(store.target, store.schema)
    assert (shape.known, shape.is_newer) == (False, True)
    assert shape.differences[0].startswith("its ledger ends at migration ")
    assert len(shape.differences) == 2


def test_other_schemas_do_not_count(postgresql_schema: MakePlace) -> None:
    place = postgresql_schema()
    available(ENGINES[-1])
    for schema in ("engine", "other"):
        run_driver(ENGINES[-1], "create", place.target, "--schema", schema)
    with psycopg.connect(place.target, autocommit=True) as connection:
        connection.execute("CREATE TABLE other.mine (id int)")
        connection.execute("DROP TABLE other.sessions")
    assert_known(shape_of(place.target, "engine"), MIGRATED.format(25))
    assert not shape_of(place.target, "other").known


def test_recognising_needs_no_alembic(engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], "sqlite", ())
    program = (
        "import sys\n"
        "from holystone.store import Store\n"
        "from holystone.store.shape import recognise\n"
        "from holystone.store.toolkit import state\n"
        "store = Store.open(sys.argv[1], read_only=True)\n"
        "with store.snapshot() as connection:\n"
        "    assert recognise(store, connection).known\n"
        "    assert state(store, connection).revision is None\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, store.target], check=True)

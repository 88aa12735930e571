"""Making a store on PostgreSQL: the tables that the engine begins with, from which it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import psycopg
import pytest

from cli.helpers import Run, assert_refused
from conftest import ENGINES, EngineStore, MakePlace, Place, available
from engine.engines import DriverError, run_driver, start_driver
from engine.test_untouched import findings
from holystone.errors import TakenError
from holystone.flavours.postgresql.functions import Function, read
from holystone.flavours.postgresql.ledger import ENGINES_LOCK, lock_key
from holystone.flavours.postgresql.lineage import LINEAGE
from holystone.flavours.target import Target, parse_target
from holystone.migrate import create, downgrade, status, upgrade
from holystone.store import Store
from holystone.store.toolkit import REVISIONS

from .conftest import EACH_ENGINE
from .old_stores import make_level
from .test_create import start_upgrade
from .test_shape import facts_of

pytestmark = pytest.mark.slow


ALL_ENGINES = [*EACH_ENGINE, *(pytest.param(version, marks=pytest.mark.long) for version in ("0.2.0", "0.2.1"))]
COLUMNS = (
    "SELECT table_name, column_name, ordinal_position FROM information_schema.columns"
    " WHERE table_schema = ? AND table_name !~ '^holystone_' ORDER BY 1, 3"
)


@pytest.fixture
def place(postgresql_schema: MakePlace) -> Place:
    """An empty schema."""
    return postgresql_schema()


def target_of(place: Place) -> Target:
    return parse_target(place.target, place.schema)


def engine_at(version: str, place: Place) -> EngineStore:
    available(version)
    return EngineStore(place.target, place.schema, version, "postgresql", {})


def execute(place: Place, statement: str, *values: object) -> list[tuple[object, ...]]:
    return EngineStore(place.target, place.schema, ENGINES[-1], "postgresql", {}).execute(statement, *values)


def test_the_command_makes_a_store_and_says_what_is_next(run: Run, place: Place) -> None:
    result = run("migrate", "upgrade", *place.arguments)
    assert (result.status, result.err) == (0, "")
    made, next_line = result.out.splitlines()
    assert made.startswith("Made the store postgresql://")
    assert made.endswith("(engine migration 1).")
    assert next_line == "Next: open it with the engine, which adds its functions and the rest of its tables."
    assert run("migrate", "upgrade", *place.arguments).out == "Nothing to do: the newest revision is there.\n"
    found = run("migrate", "status", *place.arguments, "--format", "json").json
    assert found["shape"]["name"] == "migrated (engine migration 1)"
    assert (found["store_revision"], found["toolkit_revision"]) == ("p0001", list(REVISIONS)[-1])


def test_one_that_may_be_misspelt_is_refused(run: Run, place: Place) -> None:
    create(Target(None, parse_target(place.target).url, "duroxide_engine"))
    refused = run("migrate", "upgrade", place.target, "--schema", "durxide_engine")
    assert (refused.status, refused.out) == (2, "")
    assert "--schema duroxide_engine" in refused.err


def test_a_schema_that_is_not_there_is_made(place: Place) -> None:
    create(Target(None, parse_target(place.target).url, "fresh_one"))
    assert status(Store.open(place.target, "fresh_one")).shape.known


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_it_is_what_the_engine_makes_first(place: Place, postgresql_schema: MakePlace, version: str) -> None:
    available(version)
    theirs = postgresql_schema()
    make_level(version, theirs, 1)
    create(target_of(place))
    assert facts_of(place.target, place.schema) == LINEAGE.levels[0].facts
    assert facts_of(theirs.target, theirs.schema) == LINEAGE.levels[0].facts
    assert execute(place, COLUMNS, place.schema) == execute(theirs, COLUMNS, theirs.schema)
    ledger = "SELECT version, name FROM _duroxide_migrations"
    assert execute(place, ledger) == execute(theirs, ledger)


@pytest.mark.parametrize("version", ALL_ENGINES)
def test_the_engine_goes_on_from_there(run: Run, place: Place, postgresql_schema: MakePlace, version: str) -> None:
    create(target_of(place))
    store = engine_at(version, place)
    expected = store.run("workload", "--only", "chains,parents,timers,key-values,completed")
    theirs = postgresql_schema()
    run_driver(version, "create", *theirs.arguments)
    assert facts_of(place.target, place.schema) == facts_of(theirs.target, theirs.schema)
    ledger = "SELECT version, name FROM _duroxide_migrations ORDER BY version"
    assert store.execute(ledger) == execute(theirs, ledger)
    statuses = {instance: one["status"] for instance, one in store.admin("instances").items()}
    assert statuses == {instance: one["status"] for instance, one in expected.items()}
    assert findings(store) == []
    found = status(Store.open(place.target, place.schema, read_only=True))
    assert (found.shape.known, found.pending, found.lacking) == (True, [], [])


def functions_of(place: Place) -> list[Function]:
    assert place.schema is not None
    with Store.open(place.target, place.schema).snapshot() as connection:
        return [replace(one, schemas=frozenset()) for one in read(connection, place.schema)]


@pytest.mark.parametrize("begun", ["absent", "made before"])
def test_the_engine_itself_makes_the_rest_where_it_is_asked(
    run: Run, place: Place, postgresql_schema: MakePlace, begun: str
) -> None:
    """And so the newest engine has nothing left to do, and works on it as on its own."""
    if begun == "made before":
        create(target_of(place))
    result = run("migrate", "upgrade", *place.arguments, "--engine")
    assert (result.status, result.err) == (0, "")
    assert "engine migration 25" in result.out or "the engine's migrations up to 25" in result.out
    assert "Next:" not in result.out
    theirs = postgresql_schema()
    run_driver(ENGINES[-1], "create", *theirs.arguments)
    assert facts_of(place.target, place.schema) == facts_of(theirs.target, theirs.schema)
    assert functions_of(place) == functions_of(theirs)
    store = engine_at(ENGINES[-1], place)
    store.run("workload", "--only", "chains,parents,timers,key-values,completed")
    assert findings(store) == []
    again = run("migrate", "upgrade", *place.arguments, "--engine")
    assert (again.status, again.out) == (0, "Nothing to do: the newest revision is there.\n")


@pytest.mark.parametrize("begun", ["absent", "made before"])
def test_without_an_engine_it_says_what_to_install(
    run: Run, place: Place, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    if begun == "made before":
        create(target_of(place))
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY 1"
    before = execute(place, tables, place.schema)
    monkeypatch.setattr("holystone.migrate.by_engine.find_spec", lambda name: None)
    refused = run("migrate", "upgrade", *place.arguments, "--engine")
    assert_refused(refused, "none is installed here", "python -m pip install duroxide")
    assert execute(place, tables, place.schema) == before


def test_what_the_engine_does_not_open_is_told_in_its_words(run: Run, place: Place) -> None:
    create(target_of(place))
    execute(place, "UPDATE _duroxide_migrations SET version = 7")
    refused = run("migrate", "upgrade", *place.arguments, "--engine")
    assert refused.status == 2
    assert "Traceback" not in refused.err


def drop_functions(place: Place) -> None:
    for (function,) in execute(
        place, "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE pronamespace = ?::regnamespace", place.schema
    ):
        execute(place, f"DROP FUNCTION {function}")


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_why_not_all_tables_are_made(place: Place, version: str) -> None:
    """With all its tables there, an engine either goes without its functions, or does not open the store."""
    available(version)
    run_driver(version, "create", *place.arguments)
    drop_functions(place)
    run_driver(version, "create", *place.arguments)
    with pytest.raises(DriverError, match=r"enqueue_orchestrator_work.* does not exist"):
        run_driver(version, "workload", *place.arguments, "--only", "completed")
    execute(place, "DELETE FROM _duroxide_migrations WHERE version > 1")
    # The older one runs what is not in its ledger, and fails where a column of kv_store is there already.
    says, reaches = (r"END \$\$;", 18) if version == "0.1.28" else ("not represented by its migration ledger", 1)
    with pytest.raises(DriverError, match=says):
        run_driver(version, "create", *place.arguments)
    assert execute(place, "SELECT max(version) FROM _duroxide_migrations") == [(reaches,)]


def test_it_goes_down_and_up_again(place: Place) -> None:
    create(target_of(place))
    before = facts_of(place.target, place.schema)
    store = Store.open(place.target, place.schema)
    assert downgrade(store, "postgresql@base") == ["p0001"]
    names = [str(name) for (name,) in execute(place, "SELECT tablename FROM pg_tables WHERE schemaname = 'engine'")]
    assert names
    assert all(name.startswith("holystone_") for name in names)
    assert upgrade(store, "postgresql@head") == ["p0001"]
    assert facts_of(place.target, place.schema) == before
    assert status(Store.open(place.target, place.schema)).lacking == []


def test_rows_and_the_engines_own_migrations_are_not_taken_back(run: Run, place: Place) -> None:
    create(target_of(place))
    execute(place, "INSERT INTO instances (instance_id, orchestration_name) VALUES ('a', 'A')")
    refused = run("migrate", "downgrade", *place.arguments, "postgresql@base", "--yes")
    assert (refused.status, refused.out) == (2, "")
    assert "lose 1 row of instances" in refused.err
    execute(place, "DELETE FROM instances")
    run_driver(ENGINES[-1], "create", *place.arguments)
    refused = run("migrate", "downgrade", *place.arguments, "postgresql@base", "--yes")
    assert "The engine's migrations of this store end at 25, not at 1." in refused.err


def a_table(place: Place) -> Sequence[str]:
    execute(place, "CREATE TABLE mine (id int)")
    return ("holds none of duroxide's tables",)


def another_store(place: Place) -> Sequence[str]:
    run_driver(ENGINES[-1], "create", place.target, "--schema", "the_one")
    execute(place, "DROP SCHEMA engine")
    return ("does not exist", "Try --schema the_one.")


@pytest.mark.parametrize("make", [a_table, another_store])
def test_no_store_is_made_where_none_is_meant(run: Run, place: Place, make: object) -> None:
    assert callable(make)
    says = make(place)
    everything = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^pg_' ORDER BY 1, 2"
    before = execute(place, everything)
    assert_refused(run("migrate", "upgrade", *place.arguments), *says)
    assert execute(place, everything) == before


def test_a_forgotten_schema_makes_no_second_store(run: Run, place: Place) -> None:
    create(target_of(place))
    assert run("migrate", "upgrade", place.target).out == "Nothing to do: the newest revision is there.\n"
    assert execute(place, "SELECT schemaname FROM pg_tables WHERE tablename = 'history'") == [("engine",)]


@pytest.mark.parametrize("schema", ["Upper", "with space", "select", "1st", "ünï", "x" * 64])
def test_a_name_that_the_engine_would_not_take_is_refused(run: Run, place: Place, schema: str) -> None:
    execute(place, f'CREATE SCHEMA "{schema}"')
    refused = run("migrate", "upgrade", place.target, "--schema", schema)
    assert_refused(refused, "opens no store in a schema that is named", "small letters")


def test_nothing_is_made_in_the_place_of_anything(place: Place) -> None:
    create(target_of(place))
    before = execute(place, "SELECT applied_at FROM _duroxide_migrations")
    with pytest.raises(TakenError, match="is not empty"):
        create(target_of(place))
    assert execute(place, "SELECT applied_at FROM _duroxide_migrations") == before


def test_of_several_at_once_one_creates_and_all_succeed(place: Place) -> None:
    processes = [start_upgrade(*place.arguments) for _ in range(3)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert sum(out.startswith("Made the store") for out, _ in said) == 1


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_an_engine_that_starts_meanwhile_is_not_harmed(place: Place, version: str) -> None:
    available(version)
    creation = start_upgrade(*place.arguments)
    time.sleep(0.4)
    engine = start_driver(version, "create", *place.arguments)
    _, complained = engine.communicate(timeout=60)
    _, said = creation.communicate(timeout=60)
    assert engine.returncode == 0, complained
    # Whoever came first made the store. Where the engine was in the middle of it, holystone says so.
    assert creation.returncode in (0, 2)
    assert "fault of holystone" not in said
    assert status(Store.open(place.target, place.schema)).shape.known


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_the_engines_lock_is_the_one_that_is_taken(place: Place, version: str) -> None:
    available(version)
    assert place.schema is not None
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(place.target, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [lock_key(ENGINES_LOCK, place.schema)])
        engine = threading.Thread(target=run_driver, args=(version, "create", *place.arguments))
        engine.start()
        deadline = time.monotonic() + 20
        while execute(place, waiting) == [(0,)] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert execute(place, waiting) == [(1,)]
    engine.join()
    assert status(Store.open(place.target, place.schema)).engine_migration is not None

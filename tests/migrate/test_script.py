"""The SQL of `migrate sql` does by hand what `migrate upgrade` does."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.helpers import Run, assert_refused, contents
from conftest import ENGINES, EngineStore, Flavour, MakePlace, MakeStore, Place, available, missing
from contents import contents as rows_of
from holystone.migrate import create, downgrade, status, upgrade
from holystone.store import Store
from holystone.store.toolkit import REVISIONS
from postgresql import Server

from .conftest import EACH_ENGINE
from .structure import facts, ledger, structure
from .test_adopt import everything_of

pytestmark = pytest.mark.slow


ALL = list(REVISIONS)


def by_hand(place: Place, script: str, server: Any) -> None:
    """Run a script as a person would: with the database's own shell."""
    if place.schema is None:
        program = shutil.which("sqlite3") or missing("no sqlite3 command")
        command = [program, "-bail", place.target]
    else:
        beside = str(server.bin_dir) if isinstance(server, Server) else None
        program = shutil.which("psql", path=beside) or missing("no psql command")
        command = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", place.target]
    environment = {**os.environ, "PGOPTIONS": "-cclient_min_messages=warning"}
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


@pytest.fixture
def vacant(flavour: Flavour, path: Path, postgresql_schema: MakePlace) -> Place:
    """Where a store can be made."""
    return Place(str(path), None) if flavour == "sqlite" else postgresql_schema()


def opened(place: Place) -> Store:
    return Store.open(place.target, place.schema)


def test_a_store_made_by_hand_is_as_any_other(
    run: Run, vacant: Place, tmp_path: Path, postgresql_schema: MakePlace, postgresql: Any
) -> None:
    printed = run("migrate", "sql", *vacant.arguments)
    assert (printed.status, printed.err) == (0, "")
    assert not list(tmp_path.iterdir())
    if vacant.schema is not None:
        EngineStore(vacant.target, vacant.schema, "", "postgresql", {}).execute("DROP SCHEMA engine")
    by_hand(vacant, printed.out, postgresql)
    other = Place(str(tmp_path / "other.db"), None) if vacant.schema is None else postgresql_schema()
    assert run("migrate", "upgrade", *other.arguments).status == 0
    assert everything_of(vacant) == everything_of(other)
    made, ordinary = status(opened(vacant)), status(opened(other))
    assert made == ordinary
    assert made.toolkit_revision == ALL[-1]
    assert run("migrate", "sql", *vacant.arguments).out == "-- Nothing to do.\n"


def test_a_file_made_by_hand_is_whole_and_two_of_them_differ(run: Run, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(2)]
    script = run("migrate", "sql", str(paths[0])).out
    for path in paths:
        by_hand(Place(str(path), None), script, None)
    made = tmp_path / "made.db"
    create(str(made))
    assert structure(paths[0]) == structure(made)
    assert facts(ledger(paths[0])) == facts(ledger(made))
    with closing(sqlite3.connect(paths[0])) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert len({Store.open(str(path)).identity for path in paths}) == 2


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_the_engine_takes_a_store_made_by_hand(run: Run, vacant: Place, version: str, postgresql: Any) -> None:
    available(version)
    by_hand(vacant, run("migrate", "sql", *vacant.arguments).out, postgresql)
    flavour: Flavour = "sqlite" if vacant.schema is None else "postgresql"
    store = EngineStore(vacant.target, vacant.schema, version, flavour, {})
    store.run("workload", "--only", "completed")
    found = status(opened(vacant))
    assert (found.shape.known, found.shape.name.startswith("migrated"), found.lacking) == (True, True, [])


@pytest.mark.parametrize("start", [None, "t0001", pytest.param("t0002", marks=pytest.mark.long)])
def test_an_upgrade_by_hand_is_as_any_other(
    run: Run, engine_store: MakeStore, flavour: Flavour, start: str | None, postgresql: Any
) -> None:
    one, other = (engine_store(ENGINES[-1], flavour, ["completed"]) for _ in range(2))
    if start is not None:
        for store in (one, other):
            upgrade(opened(store), start)
    before = rows_of(one)
    printed = run("migrate", "sql", *one.arguments)
    assert rows_of(one) == before
    assert ("CONCURRENTLY" in printed.out) == (flavour == "postgresql" and start != "t0002")
    by_hand(one, printed.out, postgresql)
    upgrade(opened(other))
    assert everything_of(one) == everything_of(other)
    assert rows_of(one) == before
    assert run("migrate", "upgrade", *one.arguments).out == "Nothing to do: the newest revision is there.\n"


def test_an_upgrade_by_hand_after_all_was_taken_back(
    run: Run, engine_store: MakeStore, flavour: Flavour, postgresql: Any
) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    upgrade(opened(store))
    before = everything_of(store)
    downgrade(opened(store), "toolkit@base")
    by_hand(store, run("migrate", "sql", *store.arguments).out, postgresql)
    assert everything_of(store) == before


def test_it_goes_as_far_as_it_is_told(run: Run, engine_store: MakeStore, flavour: Flavour, postgresql: Any) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    by_hand(store, run("migrate", "sql", *store.arguments, "--to", "t0001").out, postgresql)
    assert status(opened(store)).pending == ALL[1:]
    assert run("migrate", "sql", *store.arguments, "--to", "t0001").out == "-- Nothing to do.\n"
    assert run("migrate", "upgrade", *store.arguments, "--to", "t0001").out == "Nothing to do: t0001 is there.\n"
    assert run("migrate", "upgrade", *store.arguments, "--to", "t0002").out == "Ran t0002.\n"


def test_the_engines_tables_by_hand(run: Run, path: Path) -> None:
    printed = run("migrate", "sql", str(path), "--to", "s0009").out
    by_hand(Place(str(path), None), printed, None)
    assert status(Store.open(str(path))).shape.name == "migrated (engine migration 20240109000000)"
    by_hand(Place(str(path), None), run("migrate", "sql", str(path), "--to", "store@head").out, None)
    assert status(Store.open(str(path))).shape.name == "migrated (engine migration 20240112000000)"
    made = path.with_name("other.db")
    assert run("migrate", "upgrade", str(made), "--to", "s0009").out.endswith("(engine migration 20240109000000).\n")
    assert run("migrate", "upgrade", str(made), "--to", "store@head").out == "Ran s0010, s0011, s0012.\n"
    assert structure(made) == structure(path)


def test_what_the_engine_made_is_left_to_the_engine(run: Run, engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ())
    branch = "store" if flavour == "sqlite" else "postgresql"
    refused = run("migrate", "sql", *store.arguments, "--to", f"{branch}@head")
    assert_refused(refused, "The engine has made ", "Leave the engine's tables to the engine.")


def test_the_schema_is_named_wherever_a_table_is(run: Run, postgresql_schema: MakePlace) -> None:
    place = postgresql_schema()
    out = run("migrate", "sql", *place.arguments).out
    create_statements = re.findall(r"CREATE (?:TABLE|INDEX) (?:\S+ ON )?(\S+)", out)
    assert len(create_statements) > 15
    assert all(name.startswith("engine.") for name in create_statements)
    assert out.splitlines()[0].startswith("-- To be run with: psql -v ON_ERROR_STOP=1 ")
    assert "CREATE SCHEMA IF NOT EXISTS engine;" in out


def test_the_password_is_not_printed(run: Run, postgresql: Any, postgresql_schema: MakePlace) -> None:
    place = postgresql_schema()
    target = place.target.replace("postgres@", "postgres:secret@")
    out = run("migrate", "sql", target, "--schema", "fresh").out
    assert "secret" not in out
    assert "postgres:***@" in out


def test_it_needs_a_store_or_a_place_for_one(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    before = contents(tmp_path)
    assert_refused(run("migrate", "sql", str(path)), "none of its tables is one of duroxide's")
    assert_refused(
        run("migrate", "sql", str(tmp_path / "new.db"), "--to", "p0001"), "its branches are toolkit and store"
    )
    assert_refused(run("migrate", "sql", str(tmp_path / "new.db"), "--to", "t9999"), "cannot be found or reached")
    assert contents(tmp_path) == before

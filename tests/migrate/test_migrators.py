"""Upgrades that are interrupted, that run side by side, and that run while an engine starts or works."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from cli.helpers import Run, assert_refused
from conftest import ENGINES, EngineStore, Flavour, MakePlace, MakeStore, Place, available
from engine.engines import start_driver
from engine.test_untouched import findings
from holystone.flavours.postgresql import structure as postgresql_structure
from holystone.flavours.postgresql.ledger import lock_key
from holystone.flavours.postgresql.structure import OUR_LOCK
from holystone.migrate import create, downgrade, restore, status, upgrade
from holystone.store import Store
from holystone.store.toolkit import REVISIONS, state

from .conftest import EACH_ENGINE
from .old_stores import make_level
from .test_create import start_upgrade

pytestmark = pytest.mark.long

TESTS = Path(__file__).parents[1]
ALL = list(REVISIONS)
INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'holystone_executions_status'::regclass"


def opened(store: Place) -> Store:
    return Store.open(store.target, store.schema)


def is_whole(store: Place) -> bool:
    found = status(opened(store))
    return (found.toolkit_revision, list(found.lacking), found.shape.known) == (ALL[-1], [], True)


def killed_everywhere(target: str, schema: str | None) -> list[tuple[int, int, int]]:
    command = [sys.executable, "-m", "migrate.kill_upgrades", target, schema or "-"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=230)
    assert done.returncode == 0, done.stderr
    kills = [(step, ended, then) for step, ended, then in json.loads(done.stdout)]
    assert [(ended, then) for _, ended, then in kills[:-1]] == [(-signal.SIGKILL, 0)] * (len(kills) - 1), done.stderr
    assert kills[-1][1:] == (0, 0)
    return kills


@pytest.mark.long
def test_killed_at_any_statement_an_upgrade_goes_on(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ["completed"])
    assert len(killed_everywhere(store.target, store.schema)) > 25


@pytest.mark.long
def test_killed_at_any_statement_a_creation_on_postgresql_goes_on(postgresql_schema: MakePlace) -> None:
    place = postgresql_schema()
    assert len(killed_everywhere(place.target, "fresh")) > 60


def test_of_several_upgrades_at_once_all_succeed(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ["completed"])
    processes = [start_upgrade(*store.arguments) for _ in range(3)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    ran = [out for out, _ in said if out == f"Ran {', '.join(ALL)}.\n"]
    assert len(ran) == 1
    assert is_whole(store)


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.3) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(postgresql_structure, "PATIENCE_SECONDS", seconds)
        yield


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield the statements that this process executes."""
    said: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        said.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    yield said
    event.remove(Engine, "before_cursor_execute", note)


def test_a_migrator_that_waits_in_vain_says_for_whom(
    run: Run, engine_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ())
    assert store.schema is not None
    with psycopg.connect(store.target, autocommit=True, application_name="a colleague's") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [lock_key(OUR_LOCK, store.schema)])
        with impatient(monkeypatch):
            refused = run("migrate", "upgrade", *store.arguments)
        assert_refused(
            refused,
            f"is being migrated by process {other.info.backend_pid}, postgres (a colleague's), idle, since 2",
            f"SELECT pg_terminate_backend({other.info.backend_pid})",
        )
        # Of another schema it would be no business of this one.
        other.execute("SELECT pg_advisory_unlock_all()")
        other.execute("SELECT pg_advisory_lock(%s)", [lock_key(OUR_LOCK, "another")])
        assert upgrade(opened(store)) == ALL


def test_an_index_that_waits_in_vain_says_for_whom_and_is_built_later(
    run: Run, engine_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ["completed"])
    with psycopg.connect(store.target, options=f"-csearch_path={store.schema}") as other:
        other.execute("UPDATE executions SET output = output")
        with impatient(monkeypatch, 1):
            refused = run("migrate", "upgrade", *store.arguments)
        assert_refused(
            refused,
            f"has been in a transaction of process {other.info.backend_pid}, postgres, idle in transaction, since 2",
        )
        other.rollback()
    found = opened(store)
    with found.snapshot() as connection:
        assert state(found, connection).revision == "t0001"
    assert run("migrate", "upgrade", *store.arguments).out == f"Ran {', '.join(ALL[1:])}.\n"
    assert is_whole(store)


def test_what_an_interrupted_build_left_is_built_again(run: Run, engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ["completed"])
    upgrade(opened(store), "t0001")
    with opened(store).transaction() as connection:
        REVISIONS["t0002"].indexes[0].as_index.create(connection)
    store.execute(INVALID)
    with statements() as said:
        assert upgrade(opened(store)) == ALL[1:]
    assert [one.split(" ON ")[0] for one in said if "INDEX CONCURRENTLY" in one] == [
        "DROP INDEX CONCURRENTLY IF EXISTS engine.holystone_executions_status",
        "CREATE INDEX CONCURRENTLY holystone_executions_status",
    ]
    assert is_whole(store)
    store.execute(INVALID)
    assert status(opened(store)).lacking == ["index holystone_executions_status"]
    shown = run("migrate", "status", *store.arguments).out
    assert "Gone of holystone's own: index holystone_executions_status" in shown
    assert "Next: holystone migrate upgrade" in shown
    out = run("migrate", "upgrade", *store.arguments).out
    assert out == "Built again: holystone_executions_status.\n"
    assert is_whole(store)


def test_an_index_that_went_with_its_table_is_built_again(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ["completed"])
    upgrade(opened(store))
    store.execute("DROP INDEX holystone_executions_status")
    assert status(opened(store)).lacking == ["index holystone_executions_status"]
    assert restore(opened(store)) == ["holystone_executions_status"]
    assert is_whole(store)
    assert restore(opened(store)) == []


def old_store(version: str, flavour: Flavour, path: Path, postgresql_schema: MakePlace) -> EngineStore:
    """A store in which an engine has migrations to run that alter executions and the queues."""
    if flavour == "sqlite":
        downgrade(create(str(path)), "s0005")
        downgrade(Store.open(str(path)), "toolkit@base")
        return EngineStore(str(path), None, version, flavour, {})
    place = postgresql_schema()
    make_level(version, place, 8)
    return EngineStore(place.target, place.schema, version, flavour, {})


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_an_engine_that_starts_and_migrates_meanwhile_is_not_harmed(
    version: str, flavour: Flavour, path: Path, postgresql_schema: MakePlace
) -> None:
    available(version)
    store = old_store(version, flavour, path, postgresql_schema)
    engine = start_driver(version, "create", *store.arguments)
    # As often as it goes while the engine starts: one of them meets it in the middle.
    while engine.poll() is None:
        upgrade(opened(store))
        downgrade(opened(store), "toolkit@base")
    assert engine.returncode == 0, engine.communicate()
    engine.communicate()
    upgrade(opened(store))
    assert is_whole(store)
    store.run("workload", "--only", "completed,key-values")
    assert findings(store) == []


@pytest.mark.long
@pytest.mark.parametrize("version", ENGINES)
@pytest.mark.parametrize("attempt", range(5))
def test_engines_that_start_meanwhile_are_never_harmed(
    version: str, attempt: int, postgresql_schema: MakePlace
) -> None:
    available(version)
    place = postgresql_schema()
    make_level(version, place, 8)
    engines = [start_driver(version, "create", *place.arguments) for _ in range(3)]
    while any(engine.poll() is None for engine in engines):
        upgrade(opened(place))
        downgrade(opened(place), "toolkit@base")
    assert [engine.returncode for engine in engines] == [0, 0, 0], [engine.communicate() for engine in engines]
    for engine in engines:
        engine.communicate()
    upgrade(opened(place))
    assert is_whole(place)


@pytest.mark.long
def test_an_engine_at_full_load_is_not_harmed(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ["completed"])
    done: list[Any] = []
    load = threading.Thread(target=lambda: done.append(store.run("load", "--seconds", "6")))
    load.start()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        upgrade(opened(store))
        downgrade(opened(store), "toolkit@base")
        time.sleep(0.2)
    load.join()
    assert done
    assert done[0]["started"] > 0
    upgrade(opened(store))
    assert is_whole(store)
    statuses = store.admin("metrics")
    assert statuses["failed_instances"] <= statuses["total_instances"] / 4
    assert findings(store) == []

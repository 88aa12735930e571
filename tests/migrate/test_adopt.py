"""Stores that the engine made are adopted as they are: not one of their rows changes, and the engine works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.helpers import Run
from conftest import ENGINES, EngineStore, Flavour, MakePlace, MakeStore, Place, available, copy_sqlite
from contents import contents
from engine.engines import run_driver
from engine.test_untouched import findings
from holystone.errors import UnknownShapeError
from holystone.migrate import adopt, downgrade, status, upgrade
from holystone.scan.check import Level
from holystone.store import Store
from holystone.store.toolkit import REVISIONS

from .conftest import EACH_ENGINE, Lineage
from .old_stores import forget_ledger, make_fallback, make_level

ALL = list(REVISIONS)
POPULATION = ["completed", "key-values"]


def opened(place: Place) -> Store:
    return Store.open(place.target, place.schema)


def everything_of(place: Place) -> dict[str, str]:
    """Return the facts of all tables of the schema, holystone's own included."""
    store = opened(place)
    with store.snapshot() as connection:
        return dict(store.flavour.structure.facts(connection, store.columns.keys()))


def assert_adoptable(store: EngineStore, name: str) -> None:
    """Adopt a store, twice, take all back and make it anew, and have the engine work on it."""
    before, tables = contents(store), everything_of(store)
    adopted = adopt(opened(store))
    assert (adopted.shape.name, list(adopted.revisions), adopted.is_new) == (name, ALL, True)
    assert findings(store, Level.quick) == []
    assert contents(store) == before
    whole = everything_of(store)
    assert whole.items() >= tables.items()
    assert all("holystone_" in fact for fact in whole.keys() - tables.keys())
    again = adopt(opened(store))
    assert (again.shape.name, list(again.revisions), again.is_new) == (name, [], False)
    assert store.execute("SELECT count(*) FROM holystone_adoptions") == [(1,)]
    downgrade(opened(store), "toolkit@base")
    assert {fact for fact in everything_of(store) if "holystone_migrations" not in fact} == tables.keys()
    assert findings(store, Level.quick) == []
    upgrade(opened(store))
    assert everything_of(store) == whole
    assert contents(store) == before


def assert_engine_works(store: EngineStore) -> None:
    known = set(store.admin("instances"))
    expected = store.run("workload", "--only", "parents,timers")
    assert set(store.admin("instances")) == known | set(expected)
    assert findings(store) == []


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_adoption_changes_nothing_of_the_engines(version: str, flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(version, flavour, POPULATION)
    assert_adoptable(store, f"migrated (engine migration {opened(store).engine_migration})")
    assert_engine_works(store)


@pytest.mark.parametrize("version", EACH_ENGINE)
def test_adoption_of_the_fallback_shape(version: str, path: Path) -> None:
    available(version)
    make_fallback(version, path)
    run_driver(version, "workload", path, "--only", ",".join(POPULATION))
    store = EngineStore(str(path), None, version, "sqlite", {})
    assert_adoptable(store, "fallback")
    # What the engine does when it opens such a store with a ledger that it can begin anew.
    forget_ledger(path)
    assert_engine_works(store)
    adopted = adopt(opened(store))
    assert (adopted.shape.name, adopted.is_new) == ("fallback, opened again", True)
    assert store.execute("SELECT number, shape FROM holystone_adoptions ORDER BY number") == [
        (1, "fallback, opened again")
    ]


@pytest.mark.parametrize("level", [1, 6, 11])
def test_the_engine_migrates_an_adopted_store_on(lineage: Lineage, level: int, path: Path) -> None:
    copy_sqlite(lineage[level], path)
    store = EngineStore(str(path), None, ENGINES[-1], "sqlite", {})
    assert adopt(opened(store)).is_new
    store.run("create")
    assert adopt(opened(store)).shape.name == "migrated (engine migration 20240112000000)"
    found = status(opened(store))
    assert (found.lacking, found.shape.known) == ([], True)
    shapes = store.execute("SELECT shape FROM holystone_adoptions ORDER BY number")
    assert len(shapes) == len(set(shapes)) == 2


@pytest.mark.parametrize(
    "level", [pytest.param(level, marks=() if level == 12 else pytest.mark.long) for level in (1, 2, 8, 12, 17, 18, 21)]
)
@pytest.mark.parametrize("version", EACH_ENGINE)
def test_the_engine_migrates_an_adopted_store_on_on_postgresql(
    version: str, level: int, postgresql_schema: MakePlace
) -> None:
    available(version)
    place = postgresql_schema()
    make_level(version, place, level)
    assert adopt(opened(place)).shape.name == f"migrated (engine migration {level})"
    store = EngineStore(place.target, place.schema, version, "postgresql", {})
    assert_engine_works(store)
    assert adopt(opened(place)).is_new
    assert status(opened(place)).shape.known


@pytest.mark.long
@pytest.mark.parametrize("version", ["0.2.0", "0.2.1"])
def test_adoption_of_the_versions_in_between(version: str, flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(version, flavour, POPULATION)
    assert_adoptable(store, f"migrated (engine migration {opened(store).engine_migration})")
    assert_engine_works(store)


def test_an_unknown_shape_is_refused_with_what_differs(run: Run, engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ["completed"])
    for number in range(50):
        store.execute(f"ALTER TABLE worker_queue ADD COLUMN mine_{number} INTEGER")
    store.execute("DROP INDEX idx_orch_lock")
    before, tables = contents(store), everything_of(store)
    with pytest.raises(UnknownShapeError, match=r"unknown, nearest to migrated \(engine migration") as caught:
        adopt(opened(store))
    assert len(caught.value.differences) == 51
    refused = run("migrate", "adopt", *store.arguments)
    assert (refused.status, refused.out) == (2, "")
    lines = refused.err.splitlines()
    assert lines[0].startswith("it lacks the index idx_orch_lock on orchestrator_queue (lock_token)")
    assert lines[1].startswith("it has the column worker_queue.mine_0 ")
    assert lines[40] == "and 11 more"
    assert lines[41].startswith("Error: The engine's tables in ")
    assert lines[42].startswith("Next: Undo what was changed by hand")
    assert len(lines) == 43
    assert contents(store) == before
    assert everything_of(store) == tables


def test_a_newer_engines_store_is_left_to_a_newer_holystone(run: Run, engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ())
    store.execute("INSERT INTO _duroxide_migrations (version, name) VALUES (99, 'later')")
    refused = run("migrate", "adopt", *store.arguments)
    assert refused.status == 2
    assert refused.err.splitlines()[-1] == "Next: Use a newer version of holystone, which knows them."
    assert "holystone_migrations" not in opened(store).columns


def test_the_command_says_what_it_did_and_what_it_left_alone(
    run: Run, engine_store: MakeStore, flavour: Flavour
) -> None:
    store = engine_store(ENGINES[-1], flavour, ["completed"])
    store.execute("CREATE TABLE reports (id INTEGER)")
    store.execute("CREATE INDEX mine ON executions (completed_at)")
    migration = opened(store).engine_migration
    first, second = run("migrate", "adopt", *store.arguments), run("migrate", "adopt", *store.arguments)
    assert (first.status, first.err, second.status, second.err) == (0, "", 0, "")
    shape, *left, ran, adopted, next_line = first.out.splitlines()
    assert shape == f"Shape: migrated (engine migration {migration})."
    assert left == ["Left alone: index mine on executions (completed_at)", "Left alone: table reports"]
    assert (ran, adopted) == (f"Ran {', '.join(ALL)}.", "Adopted.")
    assert next_line.startswith("Next: holystone check ")
    assert second.out.splitlines()[-2] == "Nothing to do: it was adopted already."
    said = run("migrate", "status", *store.arguments)
    assert f"as migrated (engine migration {migration})" in said.out
    found = run("migrate", "status", *store.arguments, "--format", "json").json
    assert found["adopted"]["shape"] == found["shape"]["name"]
    assert found["shape"]["additions"] == ["index mine on executions (completed_at)", "table reports"]

"""Holystone's own tables are what their declarations say, and a store in which they are not is seen."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Constraint, MetaData, create_engine, make_url

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.flavours.structure import OURS
from holystone.migrate import downgrade, upgrade
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import REVISIONS, executions_status, metadata, state, versions


@pytest.fixture
def store(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    """A store of the engine with all of holystone's objects."""
    made = engine_store(ENGINES[-1], flavour, [])
    upgrade(OpenStore.open(made.target, made.schema))
    return made


def opened(place: EngineStore) -> OpenStore:
    return OpenStore.open(place.target, place.schema, read_only=True)


def is_ours(item: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    """Leave out what is the engine's: its tables but for the index on one of them, of which no column is compared."""
    if kind == "table":
        return name is not None and name.startswith((OURS, "executions"))
    if kind == "index":
        return name is not None and name.startswith(OURS)
    assert isinstance(item, (Column, Constraint))
    return item.table.name.startswith(OURS)


def differences(place: EngineStore) -> list[Any]:
    """Return what Alembic would change in the store to make it what is declared."""
    file = f"sqlite:///{place.target}"
    address = file if place.flavour == "sqlite" else make_url(place.target).set(drivername="postgresql+psycopg")
    options = {} if place.schema is None else {"options": f"-csearch_path={place.schema}"}
    declared = MetaData()
    for table in (*metadata.sorted_tables, versions, executions_status.as_index.table):
        assert table is not None
        table.to_metadata(declared)
    engine = create_engine(address, connect_args=options)
    with engine.connect() as connection:
        # The revisions are compared with the rest, under a name for their table that Alembic would not leave out.
        wanted = {"compare_type": True, "include_object": is_ours, "version_table": "another"}
        found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=wanted), declared)
    engine.dispose()
    return found


def test_the_revisions_make_what_is_declared(store: EngineStore) -> None:
    assert differences(store) == []
    store.execute("DROP INDEX holystone_executions_status")
    store.execute("ALTER TABLE holystone_runs DROP COLUMN plan")
    assert sorted(change[0] for change in differences(store)) == ["add_column", "add_index"]


def test_each_table_belongs_to_the_revision_that_makes_it(store: EngineStore) -> None:
    made = [column for objects in REVISIONS.values() for column in objects.columns]
    assert len(made) == len(set(made))
    assert set(made) == {column for table in metadata.tables.values() for column in table.c}
    for revision in reversed(["toolkit@base", *REVISIONS]):
        downgrade(OpenStore.open(store.target, store.schema), revision)
        found = opened(store)
        with found.unlocked_snapshot() as connection:
            toolkit = state(found, connection)
        assert toolkit.lacking == []
        assert toolkit.revision == (None if revision == "toolkit@base" else revision)


ALTERED = [
    (
        "column holystone_watermarks.position as TEXT not null",
        "ALTER TABLE holystone_watermarks DROP COLUMN position",
        "ALTER TABLE holystone_watermarks ADD COLUMN position TEXT",
    ),
    (
        "column holystone_runs.plan as TEXT",
        "ALTER TABLE holystone_runs DROP COLUMN plan",
        "ALTER TABLE holystone_runs ADD COLUMN plan INTEGER",
    ),
    ("column holystone_runs.plan", "ALTER TABLE holystone_runs DROP COLUMN plan"),
    ("table holystone_adoptions", "DROP TABLE holystone_adoptions"),
    (
        "primary key (number) of holystone_adoptions",
        "CREATE TABLE other AS SELECT * FROM holystone_adoptions",
        "DROP TABLE holystone_adoptions",
        "CREATE TABLE holystone_adoptions (number INTEGER NOT NULL, shape TEXT NOT NULL, engine_migration TEXT,"
        " version TEXT NOT NULL, adopted_at_ms BIGINT NOT NULL)",
        "DROP TABLE other",
    ),
]


@pytest.mark.parametrize(("lacking", "statements"), [(first, rest) for first, *rest in ALTERED])
def test_what_is_not_as_declared_is_told(store: EngineStore, lacking: str, statements: list[str]) -> None:
    for statement in statements:
        store.execute(statement)
    found = opened(store)
    with found.unlocked_snapshot() as connection:
        assert state(found, connection).lacking == [lacking]


def test_a_default_that_somebody_added_harms_nobody(store: EngineStore) -> None:
    store.execute("ALTER TABLE holystone_runs DROP COLUMN plan")
    store.execute("ALTER TABLE holystone_runs ADD COLUMN plan TEXT DEFAULT 'none'")
    found = opened(store)
    with found.unlocked_snapshot() as connection:
        assert state(found, connection).lacking == []

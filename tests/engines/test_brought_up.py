"""`migrate upgrade --engine` brings the store of each version to where the newest engine has it, and opens it then."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cli.helpers import Run
from conftest import SQLITE_AND_LONG_POSTGRESQL
from engines.conftest import Opened
from engines.published import NEWEST, PublishedStore
from engines.test_published import found_in, left_by_upgrades
from engines.test_repaired import arguments, go_on
from holystone.duroxide.releases import POSTGRESQL_OF_PACKAGE
from holystone.duroxide.tables import history
from holystone.migrate import status
from holystone.store import Store


def is_beyond_the_package(published: PublishedStore) -> bool:
    """Whether the newest PostgreSQL provider has migrated the store, so that no Python package opens it yet."""
    return published.flavour == "postgresql" and published.path.endswith(NEWEST)


def newest_migration(published: PublishedStore) -> str:
    """Where the store ends then: at what the newest Python package knows, or beyond it where it was there before."""
    if published.flavour == "sqlite":
        return "20240112000000"
    return "26" if is_beyond_the_package(published) else str(POSTGRESQL_OF_PACKAGE)


def histories(store: Store) -> set[tuple[str, int, int, str]]:
    of = history.c
    with store.snapshot() as connection:
        rows = connection.execute(select(of.instance_id, of.execution_id, of.event_id, of.event_data))
        return {(instance, execution, event, data) for instance, execution, event, data in rows}


def test_the_newest_engine_has_it_as_its_own(published: PublishedStore, opened: Opened, run: Run) -> None:
    old = opened(published)
    target, before = arguments(old), histories(old)
    result = run("migrate", "upgrade", *target, "--engine")
    assert (result.status, result.err) == (0, "")
    assert run("migrate", "upgrade", *target, "--engine").out == "Nothing to do: the newest revision is there.\n"

    store = Store.open(target[0], old.target.schema)
    found = status(store)
    assert (found.shape.known, found.shape.faults) == (True, [])
    assert store.engine_migration == newest_migration(published)
    assert histories(store) == before
    # What an upgrade leaves is there at once, whoever makes it.
    assert found_in(store) == left_by_upgrades(published, store, NEWEST)
    if not is_beyond_the_package(published):
        told = go_on(store)
        assert told == dict.fromkeys(told, "Completed")
        assert Store.open(target[0], old.target.schema).engine_migration == newest_migration(published)


def test_it_is_adopted_as_it_is(store: Store, run: Run) -> None:
    target, migration, before = arguments(store), store.engine_migration, histories(store)
    assert run("migrate", "adopt", *target).status == 0
    found = status(Store.open(target[0], store.target.schema))
    assert (found.engine_migration, found.store_revision, found.pending) == (migration, None, [])
    assert found.adoption is not None
    assert found.adoption.shape == f"migrated (engine migration {migration})"
    assert histories(store) == before


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_without_it_the_engines_tables_are_left_alone(flavour: str, opened: Opened, run: Run) -> None:
    store = opened(PublishedStore("0.1.8", flavour))
    target, migration = arguments(store), store.engine_migration
    assert run("migrate", "upgrade", *target).status == 0
    found = status(Store.open(target[0], store.target.schema))
    assert (found.engine_migration, found.shape.known, found.pending) == (migration, True, [])


def test_what_no_migration_made_is_refused(opened: Opened, run: Run) -> None:
    store = opened(PublishedStore("0.1.8", "sqlite"))
    with store.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE instances ADD COLUMN mine TEXT")
    refused = run("migrate", "upgrade", *arguments(store), "--engine")
    assert (refused.status, refused.out) == (2, "")
    assert "are none that holystone knows" in refused.err

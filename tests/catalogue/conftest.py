"""Rows of a case, written to an otherwise empty store with the toolkit's tables, on either flavour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from cases.case import Write
from conftest import ENGINES, MakeStore, Originals, Serve
from ground import Ground, KeptStore, number_on, postgresql_ground, sqlite_ground
from holystone.demo.scribe import Scribe
from holystone.migrate import upgrade
from holystone.store import Store


class Prepare(Protocol):
    def __call__(self, flavour: str, write: Write, *, own: bool = False) -> Ground: ...


@pytest.fixture(scope="session")
def sqlite_rows(originals: Originals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    original = originals(ENGINES[-1], "sqlite", ())
    with sqlite_ground(original, tmp_path_factory.mktemp("catalogue"), upgraded=True) as ground:
        yield ground


@pytest.fixture(scope="session")
def postgresql_rows(originals: Originals, servers: Serve) -> Iterator[Ground]:
    with postgresql_ground(originals(ENGINES[-1], "postgresql", ()), servers(0), upgraded=True) as ground:
        yield ground


@pytest.fixture
def prepare(request: pytest.FixtureRequest) -> Prepare:
    """Write a case's rows to a store in which there is nothing else; to its `own` where it alters more than rows."""

    def prepared(flavour: str, write: Write, *, own: bool = False) -> Ground:
        if own:
            return _altered(request.getfixturevalue("engine_store"), flavour, write)
        ground: Ground = request.getfixturevalue(f"{flavour}_rows")
        ground.clear()
        with ground.store.transaction() as connection:
            write(Scribe(connection, ground.store.flavour))
        return ground

    return prepared


def _altered(engine_store: MakeStore, flavour: str, write: Write) -> Ground:
    """A copy for one test alone, opened once its schema is altered: what a store has is read as it is opened."""
    made = engine_store(ENGINES[-1], flavour, ())  # type: ignore[arg-type]
    if flavour == "postgresql":
        number_on(made.execute)
    store = Store.open(made.target, made.schema)
    upgrade(store)
    with store.transaction() as connection:
        write(Scribe(connection, store.flavour))
    kept = KeptStore(made.target, made.schema, made.version, made.flavour, {}, made.execute)
    return Ground(kept, Store.open(made.target, made.schema), clear=lambda: None)

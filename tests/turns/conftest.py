"""A kit on an empty store of the engine, on both flavours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.store import Store
from turns.kit import Kit


@pytest.fixture
def made(engine_store: MakeStore, flavour: Flavour) -> Iterator[EngineStore]:
    """The store; whatever a test does to it by turns, the catalogue must find it clean in the end."""
    store = engine_store(ENGINES[-1], flavour, ())
    yield store
    assert findings(store) == []


@pytest.fixture
def kit(made: EngineStore) -> Kit:
    return Kit(Store.open(made.target, made.schema))


Column = Callable[..., object]


@pytest.fixture
def column(made: EngineStore) -> Column:
    """Return a function that reads one value of a table."""

    def read(table: str, name: str, **key: object) -> object:
        condition = " AND ".join(f"{column} = ?" for column in key) or "1 = 1"
        rows = made.execute(f"SELECT {name} FROM {table} WHERE {condition}", *key.values())
        return rows[0][0] if rows else None

    return read

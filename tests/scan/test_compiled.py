"""What was compiled for one store serves the next one of the same kind."""

from __future__ import annotations

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.flavours.compiled import COMPILED_STATEMENTS
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.store import Store


def found(made: EngineStore) -> int:
    store = Store.open(made.target, made.schema, read_only=True)
    return len(list(Scan(store, select_checks(Level.deep), level=Level.deep)))


@pytest.mark.parametrize("flavour", ["sqlite", "postgresql"])
def test_second_store_compiles_nothing(engine_store: MakeStore, flavour: Flavour) -> None:
    first, second = (engine_store(ENGINES[-1], flavour, ["completed"]) for _ in range(2))
    COMPILED_STATEMENTS.clear()
    assert found(first) == 0
    compiled = len(COMPILED_STATEMENTS)
    assert compiled > 20
    assert found(second) == 0
    assert len(COMPILED_STATEMENTS) == compiled
    second.execute("DELETE FROM history")
    assert found(second) > 0


def test_stores_of_two_flavours_share_nothing(engine_store: MakeStore) -> None:
    found(engine_store(ENGINES[-1], "sqlite", ["completed"]))
    of_sqlite = set(COMPILED_STATEMENTS)
    found(engine_store(ENGINES[-1], "postgresql", ["completed"]))
    assert {key[0] for key in COMPILED_STATEMENTS if key not in of_sqlite}.isdisjoint(key[0] for key in of_sqlite)

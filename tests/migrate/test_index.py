"""The index of executions by status: the databases use it for the lists that it was made for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.migrate import downgrade, upgrade
from holystone.store import Store

NAME = "holystone_executions_status"
FILL = {
    "sqlite": "INSERT INTO executions (instance_id, execution_id, status, started_at) WITH RECURSIVE n (n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000) SELECT 'filler-' || n, 1, CASE WHEN n % 100 = 0 THEN"
    " 'Failed' ELSE 'Completed' END, '2020-01-01 00:00:00' FROM n",
    "postgresql": "INSERT INTO executions (instance_id, execution_id, status, started_at) SELECT 'filler-' || n, 1,"
    " CASE mod(n, 100) WHEN 0 THEN 'Failed' ELSE 'Completed' END, '2020-01-01' FROM generate_series(1, 5000) AS n",
}
OLD = 10**8


@pytest.fixture
def store(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    """A store with many executions."""
    made = engine_store(ENGINES[-1], flavour, ["completed"])
    made.execute(FILL[flavour])
    made.execute("ANALYZE" if flavour == "sqlite" else "ANALYZE executions")
    return made


@contextmanager
def last_statement() -> Iterator[list[tuple[str, Any]]]:
    """Yield the last statement that reads executions, with its parameters, as it goes to the driver."""
    found: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if "FROM executions" in statement or "FROM engine.executions" in statement:
            found[:] = [(statement, parameters)]

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def plan(place: EngineStore, **wanted: Any) -> str:
    """Return how the database finds the executions that are listed."""
    store = Store.open(place.target, place.schema, read_only=True)
    with last_statement() as found:
        store.list_executions(**wanted)
    ((statement, parameters),) = found
    explain = "EXPLAIN QUERY PLAN" if place.flavour == "sqlite" else "EXPLAIN"
    with store.snapshot() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


LISTS: list[dict[str, Any]] = [
    {"status": "Failed"},
    {"status": "Running", "older_than_seconds": OLD},
    {"status": "Failed", "older_than_seconds": OLD, "limit": 10},
]


@pytest.mark.parametrize("wanted", LISTS, ids=str)
def test_lists_of_what_has_not_completed_are_quick(store: EngineStore, wanted: dict[str, Any]) -> None:
    opened = Store.open(store.target, store.schema)
    without = plan(store, **wanted)
    found = opened.list_executions(**wanted)
    assert NAME not in without
    upgrade(opened)
    assert NAME in plan(store, **wanted)
    assert opened.list_executions(**wanted) == found
    assert (
        len(found) == (min(50, wanted.get("limit", 50)) if wanted["status"] == "Failed" else 0) or "limit" not in wanted
    )
    downgrade(opened, "t0001")
    assert plan(store, **wanted) == without


def test_other_lists_are_as_they_were(store: EngineStore) -> None:
    lists: list[dict[str, Any]] = [{"status": "Completed", "limit": 10}, {"limit": 10}, {"instance_id": "filler-1"}]
    before = [plan(store, **wanted) for wanted in lists]
    upgrade(Store.open(store.target, store.schema))
    assert [plan(store, **wanted) for wanted in lists] == before


def test_it_leaves_out_what_has_completed(store: EngineStore) -> None:
    upgrade(Store.open(store.target, store.schema))
    with Store.open(store.target, store.schema, read_only=True).snapshot() as connection:
        if store.flavour == "sqlite":
            ((size,),) = connection.execute(text("SELECT sum(pgsize) FROM dbstat WHERE name = :name"), {"name": NAME})
        else:
            ((size,),) = connection.execute(text(f"SELECT pg_relation_size('engine.{NAME}')"))
    assert size <= 16384

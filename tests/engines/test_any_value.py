"""Whatever a column holds, in a store of whatever age, every check that applies can be run and says what it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Column, Connection, MetaData, Table, delete, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from engines.conftest import Opened
from engines.published import FLAVOURS, NEWEST, PublishedStore
from holystone.duroxide.tables import metadata
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan
from holystone.store import Store

pytestmark = pytest.mark.long

VALUES: Mapping[str, Sequence[Any]] = {
    "sqlite": (None, "", "x", b"\x00", -1, 2**63 - 1, 1.5, "{}", "null", '{"type": "OrchestrationStarted"}', "1", 0),
    "postgresql": (None, "", "x", -1, 2**63 - 1, "{}", "null", '{"type": "OrchestrationStarted"}', "1", 0),
}
"""What a column is set to, one row after the other, as far as its type takes it."""
SOME = ("0.1.1", "0.1.8", "0.1.23", NEWEST)
"""Versions whose stores lack much, less, and nothing."""


def reflected(connection: Connection, store: Store) -> list[Table]:
    """Return the engine's tables that the store has, with the columns that it has."""
    schema = store.target.schema
    there = inspect(connection).get_table_names(schema=schema)
    as_stored = [("column_reflect", lambda _, __, column: column.update(type=NullType(), autoincrement=False))]
    return [
        Table(name, MetaData(), autoload_with=connection, schema=schema, listeners=as_stored)
        for name in metadata.tables
        if name in there
    ]


@contextmanager
def restored(store: Store, table: Table) -> Iterator[None]:
    """Put the rows of a table back as they were."""
    with store.transaction() as connection:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    yield
    with store.transaction() as connection:
        connection.execute(delete(table))
        if rows:
            connection.execute(insert(table), rows)


def set_to(store: Store, table: Table, column: Column[Any], first: int) -> int:
    """Set the column of each row to another value, and return how many rows took theirs."""
    values, key = VALUES[store.flavour.name], list(table.primary_key.columns)
    changed = 0
    with store.transaction() as connection:
        for number, row in enumerate(connection.execute(select(*key)).all()):
            value = values[(first + number) % len(values)]
            of_row = [one == found for one, found in zip(key, row, strict=True)]
            try:
                with connection.begin_nested():
                    changed += connection.execute(update(table).where(*of_row).values({column: value})).rowcount
            except (DBAPIError, TypeError, ValueError):
                pass  # the type, or a constraint, keeps it out
    return changed


def failed(store: Store) -> list[str]:
    """Return what a scan at the deepest level could not do, and why."""
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    for _ in scan:
        pass
    return [f"{one.check.id}: {one.reason}" for one in scan.results.values() if one.outcome is Outcome.failed]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("version", SOME)
def test_no_value_keeps_a_check_from_running(version: str, flavour: str, opened: Opened) -> None:
    store = opened(PublishedStore(version, flavour))
    with store.transaction() as connection:
        tables = reflected(connection, store)
    broken = {}
    for table in tables:
        for number, column in enumerate(table.columns):
            with restored(store, table):
                if set_to(store, table, column, number) and (why := failed(store)):
                    broken[f"{table.name}.{column.name}"] = why
    assert broken == {}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("version", SOME)
def test_no_missing_row_keeps_a_check_from_running(version: str, flavour: str, opened: Opened) -> None:
    store = opened(PublishedStore(version, flavour))
    with store.transaction() as connection:
        tables = reflected(connection, store)
    broken = {}
    for table in tables:
        for half in (False, True):
            with restored(store, table):
                with store.transaction() as connection:
                    some = [func.length(table.c.instance_id) % 2 == 0] if half and "instance_id" in table.c else []
                    connection.execute(delete(table).where(*some))
                if why := failed(store):
                    broken[f"{table.name} {half}"] = why
    assert broken == {}

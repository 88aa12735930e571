"""Whatever a column of a table holds: no check fails, and what is wrong elsewhere is found all the same."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

import psycopg
import pytest

from catalogue.conftest import Prepare
from conftest import FLAVOURS
from ground import Ground
from holystone.duroxide.tables import metadata
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan
from values.damages import BAD, DRIFTED, POSTGRESQL, SQLITE, rows

TABLES = sorted(metadata.tables)
OWNER = {"sessions": "session_id"}
EVERY = int(os.environ.get("HOLYSTONE_TEST_EVERY", "8"))


def types(ground: Ground, table: str) -> dict[str, str]:
    """The columns of a table by the database's own catalogue, and on PostgreSQL their types."""
    if ground.store.flavour.name == "sqlite":
        return {name: "any" for (name,) in ground.execute(f"SELECT name FROM pragma_table_info('{table}')")}
    of = f"'{ground.made.schema}.{table}'::regclass AND attnum > 0 AND NOT attisdropped"
    return dict(ground.execute(f"SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = {of}"))


def values(ground: Ground, kind: str) -> list[str]:
    return [*SQLITE.values()] if ground.store.flavour.name == "sqlite" else POSTGRESQL[kind]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_column_and_every_type_is_listed(prepare: Prepare, flavour: str) -> None:
    """A table of the engine with a new column, or a column of a new type, is to be thought of."""
    ground = prepare(flavour, rows)
    for table in TABLES:
        kept = {"execution_id"} if (flavour, table) == ("postgresql", "kv_store") else set()
        assert types(ground, table).keys() == {*metadata.tables[table].c.keys(), *kept}
        assert all(values(ground, kind) for kind in types(ground, table).values())
        owner = OWNER.get(table, "instance_id")
        assert ground.execute(f"SELECT 1 FROM {table} WHERE {owner} = '{BAD}'")


def damages(ground: Ground, table: str) -> Iterator[tuple[str, str]]:
    """Put values into columns of a row of one instance, and yield both; rows are as they were in between.

    It is every `EVERY`th pair of the two, for to try all of them takes an hour.
    """
    owner = OWNER.get(table, "instance_id")
    pairs = [(column, value) for column, kind in types(ground, table).items() for value in values(ground, kind)]
    for column, value in pairs[::EVERY]:
        place = "rowid" if ground.store.flavour.name == "sqlite" else "ctid"
        row = f"SELECT max({place}) FROM {table} WHERE {owner} = '{BAD}'"
        try:
            ground.execute(f'UPDATE {table} SET "{column}" = {value} WHERE {place} = ({row})')
        except (sqlite3.IntegrityError, psycopg.Error):
            continue  # the database keeps it out by itself
        yield column, value


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("table", TABLES)
def test_any_value_in_any_column(prepare: Prepare, flavour: str, table: str) -> None:
    checks = select_checks(Level.deep)
    ground = prepare(flavour, rows)
    number = 0
    for damage in damages(ground, table):
        scan = Scan(ground.store, checks, level=Level.deep)
        found = {finding.check.id for finding in scan if finding.instance_id == DRIFTED}
        assert found == {"E001"}, damage
        assert [result for result in scan.results.values() if result.outcome is Outcome.failed] == [], damage
        number += 1
        ground = prepare(flavour, rows)
    assert number >= 1

"""What the revisions share: proving that what they made is there, and losing nothing on the way down."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, Text, func, inspect, select

from holystone.errors import MigrationError


def require_objects(
    connection: Connection, columns: Mapping[str, Collection[str]], indexes: Mapping[str, Collection[str]] | None = None
) -> None:
    """Raise MigrationError where the store lacks one of these columns or indexes, which are given by table name."""
    inspector, schema = inspect(connection), _schema(connection)
    lacking: list[str] = []
    for table, names in columns.items():
        if not inspector.has_table(table, schema=schema):
            lacking.append(f"the table {table}")
            continue
        found = {column["name"] for column in inspector.get_columns(table, schema=schema)}
        lacking += [f"the column {table}.{name}" for name in names if name not in found]
    for table, names in (indexes or {}).items():
        there = inspector.has_table(table, schema=schema)
        has = {index["name"] for index in inspector.get_indexes(table, schema=schema)} if there else set()
        lacking += [f"the index {name}" for name in names if name not in has]
    if lacking:
        raise MigrationError(
            f"The store lacks {', '.join(lacking)}, which one of its revisions made.",
            "See who removed it, and restore the store from a backup.",
        )


def refuse_to_lose(
    connection: Connection,
    *,
    rows_of: Collection[str] = (),
    values_of: Mapping[str, Mapping[str, int | None]] | None = None,
) -> None:
    """Raise MigrationError, which names all that would be lost, where a downgrade would lose anything.

    `rows_of` are tables that it drops; `values_of` are columns that it drops, by table, each with the value
    that says nothing.
    """
    losses: list[str] = []
    for name in rows_of:
        if number := _count(connection, Table(name, MetaData())):
            losses.append(f"{_rows(number)} of {name}")
    for name, columns in (values_of or {}).items():
        table = Table(name, MetaData(), *(Column(column, Text) for column in columns))
        for column, nothing in columns.items():
            if number := _count(connection, table, table.c[column], nothing):
                losses.append(f"{name}.{column} of {_rows(number)}")
    if losses:
        raise MigrationError(
            f"The downgrade would lose {', '.join(losses)}.",
            "Stay at this revision, or copy the rows elsewhere and remove them first.",
        )


def _count(connection: Connection, table: Table, column: Column[Any] | None = None, nothing: int | None = None) -> int:
    count = select(func.count()).select_from(table)
    if column is not None:
        count = count.where(column.is_not(None) if nothing is None else column != nothing)
    return int(connection.execute(count).scalar_one())


def _rows(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"


def _schema(connection: Connection) -> str | None:
    schema: str | None = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    return schema

"""What the revisions share: proving that what they made is there, indexes, and losing nothing on the way down."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from alembic import op
from sqlalchemy import Column, Connection, Index, MetaData, Table, Text, func, inspect, select
from sqlalchemy.schema import CreateIndex

from holystone.errors import MigrationError
from holystone.flavours.structure import Structure
from holystone.store.toolkit import Objects

NO_OBJECTS: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True)
class DataLoss:
    """What a downgrade may only drop while nothing is in it.

    `rows_of` are tables that it drops; `values_of` are columns that it drops, by table, each with the value
    that says nothing.
    """

    rows_of: Collection[str] = ()
    values_of: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)


def require_objects(
    connection: Connection, columns: Mapping[str, Collection[str]], indexes: Mapping[str, Collection[str]] = NO_OBJECTS
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
    for table, names in indexes.items():
        there = inspector.has_table(table, schema=schema)
        has = {index["name"] for index in inspector.get_indexes(table, schema=schema)} if there else set()
        lacking += [f"the index {name}" for name in names if name not in has]
    if lacking:
        raise MigrationError(
            f"The store lacks {', '.join(lacking)}, which one of its revisions made.",
            "See who removed it, and restore the store from a backup.",
        )


def require_toolkit(connection: Connection, objects: Objects) -> None:
    """Raise MigrationError where the store lacks one of holystone's own objects."""
    indexes: dict[str, list[str]] = {}
    for index in objects.indexes:
        indexes.setdefault(index.table.name, []).append(index.name)
    require_objects(connection, objects.columns, indexes)


def has_columns(columns: Mapping[str, Collection[str]]) -> bool:
    """Return whether the store has these columns, which are given by table name.

    Where SQL is written, the tables that the store lacks are those that an earlier revision of the script makes whole.
    """
    context = op.get_context()
    if context.as_sql:
        stored = context.opts["stored"]
        return all(set(names) <= stored.get(table, set(names)) for table, names in columns.items())
    inspector, schema = inspect(_bound(context.connection)), context.opts["schema"]
    return all(
        set(names) <= {column["name"] for column in inspector.get_columns(table, schema=schema)}
        for table, names in columns.items()
    )


def add_index(index: Index) -> None:
    """Build an index on a table of the engine's, in such a way that the engine goes on writing to it where it can.

    To be called by a revision that does nothing else: where the index is built outside a transaction, what the
    revision did before is committed, and a run that is killed in between is taken up again at its beginning.
    """
    context = op.get_context()
    structure: Structure = context.opts["structure"]
    if context.as_sql:
        if context.opts["one_transaction"]:
            context.execute(CreateIndex(index))
            return
        with context.autocommit_block():
            context.execute(structure.index_statement(index))
    elif context.opts["one_transaction"]:
        structure.build_index(_bound(context.connection), index)
    else:
        with context.autocommit_block():
            structure.build_index(_bound(context.connection), index)


def drop_index(index: Index) -> None:
    """Remove such an index again, in the same way."""
    context = op.get_context()
    structure: Structure = context.opts["structure"]
    if context.opts["one_transaction"]:
        structure.remove_index(_bound(context.connection), index)
    else:
        with context.autocommit_block():
            structure.remove_index(_bound(context.connection), index)


def guard_data_loss(losses: DataLoss) -> None:
    """Keep others from the tables that the revision is about to drop, and refuse to lose anything that is in them."""
    context = op.get_context()
    structure: Structure = context.opts["structure"]
    connection = _bound(context.connection)
    structure.lock_tables(connection, [*losses.rows_of, *losses.values_of])
    refuse_data_loss(connection, [losses])


def refuse_data_loss(connection: Connection, all_losses: Iterable[DataLoss]) -> None:
    """Raise MigrationError, which names all that would be lost, where a downgrade would lose anything."""
    would_be_lost: dict[str, None] = {}
    for losses in all_losses:
        for name in losses.rows_of:
            if number := _count(connection, Table(name, MetaData())):
                would_be_lost[f"{_rows(number)} of {name}"] = None
        for name, columns in losses.values_of.items():
            table = Table(name, MetaData(), *(Column(column, Text) for column in columns))
            for column, nothing in columns.items():
                if number := _count(connection, table, table.c[column], nothing):
                    would_be_lost[f"{name}.{column} of {_rows(number)}"] = None
    if would_be_lost:
        raise MigrationError(
            f"The downgrade would lose {', '.join(would_be_lost)}.",
            "Stay at this revision, or copy the rows elsewhere and remove them first.",
        )


def _count(connection: Connection, table: Table, column: Column[Any] | None = None, nothing: int | None = None) -> int:
    count = select(func.count()).select_from(table)
    if column is not None:
        count = count.where(column.is_not(None) if nothing is None else column != nothing)
    return int(connection.execute(count).scalar_one())


def _rows(number: int) -> str:
    return f"{number:,} {'row' if number == 1 else 'rows'}"


def _bound(connection: Connection | None) -> Connection:
    assert connection is not None
    return connection


def _schema(connection: Connection) -> str | None:
    schema: str | None = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    return schema

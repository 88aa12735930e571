"""What the revisions share: proving that what they made is there, indexes, and losing nothing on the way down."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic import op
from sqlalchemy import Column, Connection, Index, MetaData, Table, Text, func, inspect, select
from sqlalchemy.schema import CreateIndex

from holystone.errors import MigrationError
from holystone.flavours.structure import Structure
from holystone.store.toolkit import Objects, missing


@dataclass(frozen=True)
class DataLoss:
    """What a downgrade may only drop while nothing is in it.

    `rows_of` are tables that it drops; `values_of` are columns that it drops, by table, each with the value
    that says nothing.
    """

    rows_of: Collection[str] = ()
    values_of: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)


def require_toolkit(connection: Connection, structure: Structure, objects: Objects) -> None:
    """Raise MigrationError where one of holystone's own objects is not in the store as it is declared."""
    _refuse(missing(structure, connection, [objects]))


def require_level(connection: Connection, structure: Structure, version: int) -> None:
    """Raise MigrationError where the engine's tables are not as its migration of this version leaves them."""
    (level,) = (level for level in structure.lineage.levels if level.version == version)
    found = structure.facts(connection, structure.lineage.tables)
    _refuse([name for name, what in level.facts.items() if found.get(name) != what])


def _refuse(lacking: Sequence[str]) -> None:
    if lacking:
        raise MigrationError(
            f"The store lacks {', '.join(f'the {name}' for name in lacking)}, which one of its revisions made.",
            "See who removed or altered it, and restore the store from a backup.",
        )


def has_columns(columns: Iterable[Column[Any]]) -> bool:
    """Return whether the store has these columns.

    Where SQL is written, the tables that the store lacks are those that an earlier revision of the script makes whole.
    """
    context = op.get_context()
    if context.as_sql:
        stored = context.opts["stored"]
        return all(column.name in stored.get(column.table.name, [column.name]) for column in columns)
    inspector, schema = inspect(_bound(context.connection)), context.opts["schema"]
    return all(
        column.name in {one["name"] for one in inspector.get_columns(column.table.name, schema=schema)}
        for column in columns
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

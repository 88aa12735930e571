"""PostgreSQL's indexes, compared with the tables that they are of."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    any_,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from holystone.duroxide.tables import metadata
from holystone.flavours.connector import Columns

_WAY_OUT = "Run REINDEX TABLE, and amcheck where it is installed; restore a backup where that still complains."
_BY_INDEX = {"enable_seqscan": "off", "enable_indexscan": "on", "enable_bitmapscan": "off"}
_BESIDE = {"enable_seqscan": "on", "enable_indexscan": "off", "enable_bitmapscan": "off"}
_UNFIT = text(
    "SELECT c.relname AS name, t.relname AS of FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace "
    "WHERE n.nspname = :schema AND i.indisunique AND NOT (i.indisvalid AND i.indisready) ORDER BY 1"
)


def lying_indexes(connection: Connection, schema: str, columns: Columns, instance_ids: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each index that is not fit for use, or does not show these instances as the table does."""
    for row in connection.execute(_UNFIT, {"schema": schema}):
        yield f"The unique index {row.name} of {row.of} is not valid, so it holds nothing back. {_WAY_OUT}"
    for name in sorted(metadata.tables.keys() & columns.keys()):
        if "instance_id" not in columns[name]:
            continue
        alone = _counts(connection, schema, name, instance_ids)  # before a look at the table that has it forget rows
        through, beside = (_digests(connection, schema, name, instance_ids, road) for road in (_BY_INDEX, _BESIDE))
        differing = {instance for instance, *_ in through ^ beside}
        differing |= {instance for instance, _ in alone ^ {(instance, count) for instance, count, _ in beside}}
        if differing:
            yield (
                f"An index of {name} does not show the rows as the table has them, such as those of the instance "
                f"{min(differing)!r}. {_WAY_OUT}"
            )


def _counts(connection: Connection, schema: str, name: str, instance_ids: Sequence[str]) -> set[tuple[Any, ...]]:
    """Return each instance with the number of its rows as an index shows them, by itself where it may."""
    rows = table(name, column("instance_id", Text), schema=schema)
    found = select(rows.c.instance_id, func.count()).where(_is_one_of(rows.c.instance_id, instance_ids))
    with _planned_by(connection, _BY_INDEX):
        return {tuple(row) for row in connection.execute(found.group_by(rows.c.instance_id))}


def _digests(
    connection: Connection, schema: str, name: str, instance_ids: Sequence[str], road: Mapping[str, str]
) -> set[tuple[Any, ...]]:
    """Return each instance with the number of its rows and a digest of where they lie, as one road shows them."""
    rows = table(name, column("instance_id", Text), schema=schema)
    where = cast(func.hashtext(cast(literal_column("ctid"), Text)), BigInteger)
    found = select(rows.c.instance_id, func.count(), func.sum(where)).group_by(rows.c.instance_id)
    with _planned_by(connection, road):
        return {tuple(row) for row in connection.execute(found.where(_is_one_of(rows.c.instance_id, instance_ids)))}


def _is_one_of(instance_id: ColumnElement[str], instance_ids: Sequence[str]) -> ColumnElement[bool]:
    return instance_id == any_(literal(list(instance_ids), ARRAY(Text)))


@contextmanager
def _planned_by(connection: Connection, road: Mapping[str, str]) -> Iterator[None]:
    """Have the statements of the context take one road to a table's rows, whatever PostgreSQL would choose."""
    before = dict(zip(road, connection.execute(select(*map(func.current_setting, road))).one(), strict=True))
    _set(connection, road)
    yield
    _set(connection, before)


def _set(connection: Connection, settings: Mapping[str, str]) -> None:
    connection.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))

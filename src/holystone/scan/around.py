"""Reading around rows that cannot be read: halves of a range, until it is known which rows those are."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, false, select
from sqlalchemy.exc import DBAPIError

from holystone.duroxide.tables import executions, history, instances
from holystone.flavours.savepoint import savepoint
from holystone.scan.pushdown import rebind
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Relation
from holystone.scan.unread import ODD, Unread, may_be_of_rows, unread

_MOST = 100
"""Values whose rows are named as unreadable: where there are more, the table is damaged as a whole."""

T = TypeVar("T")
Read = Callable[[Conditions], Iterator[T]]
"""Reads the rows that meet some conditions."""


def read_around(
    reader: Reader, relation: Relation, key_range: Conditions, first: Any, read: Read[T]
) -> Iterator[T | Unread]:
    """Yield what `read` yields of a range from the value `first` on, and what cannot be read of it, by value.

    The values are those of the column by which the relation is cut into ranges. Raises what is not about
    rows, and DBAPIError where not even the values can be read, or where far too many cannot.
    """
    with reader.flavour.by_index(reader.connection):
        values = _values(reader, relation, key_range)
        values = values[values.index(first) :] if first in values else values
        list(read([*key_range, false()]))  # raises what is not about any row
        wanted, bad = [values] if values else [], 0
        while wanted:
            some = wanted.pop()
            found = _attempt(reader, relation, key_range, some, read)
            if not isinstance(found, Exception):
                yield from found
            elif len(some) > 1:
                wanted += [some[len(some) // 2 :], some[: len(some) // 2]]
            else:
                bad += 1
                if bad > _MOST and isinstance(found, DBAPIError):
                    raise found
                yield _named(reader, relation.range_column.name, some[0], found)


def _named(reader: Reader, column: str, value: Any, error: Exception) -> Unread:
    key = {column: value} if column == "instance_id" else {"instance_id": None, column: value}
    if isinstance(error, DBAPIError):
        return Unread(key, reader.flavour.translate_error(error).message.rstrip("."))
    return unread(reader, key, error)


def _attempt(
    reader: Reader, relation: Relation, key_range: Conditions, some: Sequence[Any], read: Read[T]
) -> list[T] | Exception:
    """Return what is found in the rows of some values, or how that failed."""
    column = relation.range_column
    try:
        with savepoint(reader.connection):
            return list(read([*key_range, column >= some[0], column <= some[-1]]))
    except (DBAPIError, *ODD) as error:
        if not may_be_of_rows(reader, error):
            raise
        return error


def _values(reader: Reader, relation: Relation, key_range: Conditions) -> list[Any]:
    """Return the values that the range has, in order: by its own table, or by another one of the same instances."""
    column = relation.range_column
    others = [table.c.instance_id for table in (instances, executions, history)] if column.name == "instance_id" else []
    failed: DBAPIError | None = None
    for one in [column, *(other for other in others if other.table is not column.table)]:
        try:
            with savepoint(reader.connection):
                return list(reader.connection.execute(_distinct(one, column, key_range)).scalars())
        except DBAPIError as error:
            failed = failed or error
    assert failed is not None
    raise failed


def _distinct(one: Column[Any], column: Column[Any], key_range: Conditions) -> Any:
    within = key_range if one is column else rebind(one, column, key_range)
    return select(one).where(*within).distinct().order_by(one)

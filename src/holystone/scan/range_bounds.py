"""Bounds that cut the rows of a table into ranges."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, func, select

from holystone.flavours.values import is_utf8
from holystone.scan.reader import Reader


def range_bounds(
    reader: Reader, column: Column[Any], rows_per_range: int, within: Sequence[ColumnElement[bool]] = ()
) -> Iterator[Any]:
    """Yield the last value of each range of about so many rows, in order; none where all rows fit into one range.

    The value that is yielded last is the highest of all, so that little lies after it: ids that are not UTF-8, which
    no database takes back.
    """
    after: Any = None
    while True:
        rest = [*within, *reader.flavour.key_range(column, after, None)]
        walk = select(column).where(*rest).order_by(column).offset(rows_per_range).limit(1)
        up_to = reader.connection.execute(walk).scalar_one_or_none()
        if not _is_askable(up_to):
            break
        yield up_to
        after = up_to
    if after is not None:
        highest = reader.connection.execute(select(func.max(column)).where(*rest)).scalar_one()
        if _is_askable(highest):
            yield highest


def _is_askable(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not is_utf8(value))

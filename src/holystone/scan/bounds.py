"""Bounds that cut the rows of a table into spans."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, func, select

from holystone.scan.reader import Reader


def bounds(
    reader: Reader, column: Column[Any], stride: int, within: Sequence[ColumnElement[bool]] = ()
) -> Iterator[Any]:
    """Yield the last value of each span of about `stride` rows, in order; none where all rows fit into one span.

    The value that is yielded last is the highest of all: a span without an end is one whose size no database can guess.
    """
    after: Any = None
    while True:
        rest = [*within, *reader.flavour.between(column, after, None)]
        walk = select(column).where(*rest).order_by(column).offset(stride).limit(1)
        up_to = reader.connection.execute(walk).scalar_one_or_none()
        if up_to is None:
            break
        yield up_to
        after = up_to
    if after is not None:
        highest = reader.connection.execute(select(func.max(column)).where(*rest)).scalar_one()
        if highest is not None:
            yield highest

"""SQLite: what was written since a position, by the numbers that its tables give their rows.

A new row gets a number above all others, and the engine only ever adds rows to history, executions and instances, or
deletes them. As long as one row that stood at the end is there, all that came after has a higher number than it;
VACUUM numbers the rows anew, but keeps their order. So a position is some rows from the end, each with its
digest, and what came after the last of them that is still where it was has changed.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, literal_column, select, union

from holystone.duroxide.tables import executions, history, instances
from holystone.flavours.changes import Changes, Position

_TABLES = (history, executions, instances)
_STEPS = (0, 1, 3, 10, 30, 100, 300, 1_000, 10_000, 100_000)
"""How many rows before the last one the remembered rows stand: the engine may prune or delete some of them."""
_ROWID = literal_column("rowid", type_=history.c.event_id.type)


def position(connection: Connection) -> Position:
    """Return where the store stands."""
    return {table.name: _anchors(connection, table) for table in _TABLES}


def changed_since(connection: Connection, position: Position, *, kept_outside: bool) -> Changes:
    """Return the instances with rows that came after the position.

    Of a position that was `kept_outside` the last rows have to be there: without them it may be an older copy.
    """
    later = []
    for table in _TABLES:
        anchors = position.get(table.name, ())
        after = _after(connection, table, anchors)
        if after is not None and kept_outside and anchors and after != max(number for number, _ in anchors):
            return Changes(why_all=f"the row that stood at the end of {table.name} is not there any more")
        if after is None:
            return Changes(why_all=f"none of the rows that stood at the end of {table.name} is there any more")
        later.append(select(table.c.instance_id).where(after < _ROWID))
    return Changes(sorted(set(connection.execute(union(*later)).scalars())))


def _anchors(connection: Connection, table: Table) -> list[tuple[int, str]]:
    last: int | None = connection.execute(select(func.max(_ROWID)).select_from(table)).scalar_one()
    anchors: dict[int, str] = {}
    for step in _STEPS if last is not None else ():
        assert last is not None
        row = _row(connection, table, last - step)
        if row is not None:
            anchors[row[0]] = row[1]
    return sorted(anchors.items())


def _row(connection: Connection, table: Table, at_most: int) -> tuple[int, str] | None:
    """Return the number and the digest of the last row up to a number."""
    # What the engine never changes once the row is there.
    fixed = [table.c.event_data] if table is history else []
    columns = [_ROWID, *table.primary_key.columns, *fixed]
    row: Any = connection.execute(
        select(*columns).where(at_most >= _ROWID).order_by(_ROWID.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return None
    return row[0], hashlib.sha256(repr(tuple(row[1:])).encode(errors="surrogateescape")).hexdigest()[:16]


def _after(connection: Connection, table: Table, anchors: Sequence[Sequence[Any]]) -> int | None:
    """Return the number above which all rows are later, None where none of the remembered rows is left."""
    if not anchors:
        return 0  # the table was empty
    for number, digest in sorted(map(tuple, anchors), reverse=True):
        if _row(connection, table, number) == (number, digest):
            return int(number)
    return None

"""Writing one change: only where the row is as before."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ClauseElement, ColumnElement, Connection, and_, bindparam, delete, insert, update
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import NullType

from holystone.mend.change import Change, clause_of, is_row, row_table, values
from holystone.store.open_store import OpenStore

Columns = tuple[tuple[str, Any], ...]
"""Columns with what tells values apart that SQLAlchemy binds in different ways; for None of it NULL is meant."""


class RowChangedError(Exception):
    """A row is not as it was a moment ago, though we hold the lock."""


def write(store: OpenStore, connection: Connection, change: Change) -> None:
    """Change one row, provided that it is as before; the caller has compared it under lock already."""
    before = values(store, {**change.key, **(change.before or {})})
    after = values(store, change.after or {})
    if change.before is None:
        after = {**before, **after}
        statement: Any = insert(row_table(store, change.table)).values(after)
        result = connection.execute(statement.execution_options(preserve_rowcount=True))
    elif any(isinstance(value, ClauseElement) for value in (*before.values(), *after.values())):
        # A value that only an expression can tell is in the statement itself.
        rows = row_table(store, change.table)
        changed = delete(rows) if change.after is None else update(rows).values(after)
        result = connection.execute(changed.where(is_row(rows, before)))
    else:
        names = None if change.after is None else _columns(after)
        statement = _statement(store.target.schema, change.table, _columns(before), names)
        bound = {f"before_{name}": value for name, value in before.items() if value is not None}
        result = connection.execute(statement, bound | {f"after_{name}": value for name, value in after.items()})
    if result.rowcount != 1:
        raise RowChangedError


def _columns(row: Mapping[str, Any]) -> Columns:
    return tuple((name, None if value is None else _example(value)) for name, value in row.items())


def _example(value: Any) -> Any:
    """Return a value that SQLAlchemy binds as it does this one: whole numbers by how great they are."""
    if type(value) is int:
        return 2**62 if value.bit_length() >= 32 else 1
    return "" if type(value) is str else value


@lru_cache(100)
def _statement(schema: str | None, name: str, before: Columns, after: Columns | None) -> Executable:
    """Return the statement that changes a row, or deletes it for None: to make one takes longer than to execute it."""
    names = {column_name for column_name, _ in (*before, *(after or ()))}
    rows = clause_of(schema, name, sorted(names))
    as_before = and_(
        *(
            rows.c[of].is_(None) if example is None else rows.c[of] == _bound(rows.c[of], f"before_{of}", example)
            for of, example in before
        )
    )
    if after is None:
        return delete(rows).where(as_before)
    return (
        update(rows).where(as_before).values({of: _bound(rows.c[of], f"after_{of}", example) for of, example in after})
    )


def _bound(of: ColumnElement[Any], name: str, example: Any) -> BindParameter[Any]:
    """Return the parameter of a column's value: of the column's type, or else of the value's own."""
    return bindparam(name, example) if isinstance(of.type, NullType) else bindparam(name, example, type_=of.type)

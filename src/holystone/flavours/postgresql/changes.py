"""PostgreSQL: what was written since a position, by the transactions that wrote the rows.

Each ack of the engine updates the row of its instance, so the transaction in that row's xmin is the last one that wrote
anything of the instance; the same of its executions. A position is the oldest transaction that was under way: what
was not visible then was written by it or by a later one.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    Table,
    Text,
    cast,
    func,
    literal_column,
    select,
    text,
    union_all,
)

from holystone.duroxide.tables import executions, instances
from holystone.flavours.changes import Changes, Position

_COMPARABLE = 2**31 - 10_000_000
"""Transactions after which PostgreSQL's 32-bit numbers cannot be compared any more, with room to spare."""

_CONTROL = {
    "pg_catalog.pg_control_system()": text("SELECT system_identifier::text FROM pg_catalog.pg_control_system()"),
    "pg_catalog.pg_control_checkpoint()": text("SELECT timeline_id::text FROM pg_catalog.pg_control_checkpoint()"),
}
"""Function -> what to ask it: which server it is, and which timeline, another one after a recovery to a past moment."""


def position(connection: Connection, schema: str) -> Position:
    """Return where the store stands."""
    oldest = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
    return {"transaction": connection.execute(select(oldest)).scalar_one(), "made": _made(connection, schema)}


def changed_since(connection: Connection, schema: str, position: Position) -> Changes:
    """Return the instances that a transaction has written to which was not over at the position."""
    if position["made"] != _made(connection, schema):
        return Changes(why_all="the tables have been made anew, as from a dump")
    newest = cast(cast(func.pg_snapshot_xmax(func.pg_current_snapshot()), Text), BigInteger)
    passed = connection.execute(select(newest)).scalar_one() - position["transaction"]
    if not 0 <= passed < _COMPARABLE:
        return Changes(why_all="too many transactions have passed, or the server is another one")
    # To tell ids apart itself PostgreSQL goes through both tables by their indexes, which takes ten times as long.
    later = union_all(*(_written(table, passed) for table in (instances, executions)))
    return Changes(sorted(set(connection.execute(later).scalars())))


def _written(table: Table, passed: int) -> Select[Any]:
    """Return the select of instances whose row in a table is at most so many transactions old."""
    rows = table.alias("written")
    age = func.age(literal_column("written.xmin"), type_=Integer)
    return select(rows.c.instance_id).where(age <= passed + 1)


def _made(connection: Connection, schema: str) -> list[str]:
    """Return what tells these tables from others of the same name: restored from a dump, they are other ones."""
    tables = text(
        "SELECT c.oid::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = :schema AND c.relname IN ('instances', 'executions', 'history') ORDER BY c.oid"
    )
    made = list(connection.execute(tables, {"schema": schema}).scalars())
    for function, number in _CONTROL.items():
        if connection.execute(select(func.has_function_privilege(function, "EXECUTE"))).scalar_one():
            made += connection.execute(number).scalars()
    return made

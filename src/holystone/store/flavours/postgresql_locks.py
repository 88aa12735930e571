"""PostgreSQL: locks that keep tables as they are while they are read.

A snapshot is one of rows and not of tables. Who reads a table that was rewritten (ALTER TABLE, TRUNCATE) after the
snapshot was taken sees it empty; so the locks come first, and the snapshot after them. And whoever wants to change a
table waits for all who read it, while later readers queue up behind him: one of several connections that wait for each
other would do so for ever, and the server cannot tell. So each of them has all of its locks before any begins to read.
"""

import time
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, MetaData, Table, literal, select, text, union_all
from sqlalchemy.exc import DBAPIError

from holystone.store.savepoint import savepoint

_REFUSED, _NO_LOCK = "42501", "55P03"
_AT_A_TIME = "500ms"
"""Less than PostgreSQL's `deadlock_timeout`: a migration that wants what is held already is not ended for it."""
_BESIDE = "100ms"


def hold(
    connection: Connection, schema: str, tables: Collection[str], patience: float | None, *, indexes: bool
) -> None:
    """Lock these tables for reading, and their indexes where asked, until the transaction ends; it begins with this.

    Waits for whoever is changing one, without a table in hand and for so many seconds: DBAPIError then. Tables that
    this role may not read, or not in full, are left out, and what wants them will be told.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = [f"{quote(schema)}.{quote(table)}" for table in sorted(tables)]
    deadline = None if patience is None else time.monotonic() + patience
    if names and not _locked(connection, names, deadline):
        for name in names:
            _locked(connection, [name], deadline)
    if indexes:
        _open(connection, schema, tables)


def hold_beside(connection: Connection, schema: str, tables: Collection[str]) -> bool:
    """Do the same without waiting, where another connection holds them already; return whether that was possible."""
    try:
        with savepoint(connection):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BESIDE}'")
            _open(connection, schema, tables)
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    except DBAPIError:
        return False
    return True


def _locked(connection: Connection, names: Sequence[str], deadline: float | None) -> bool:
    """Return whether the tables could be locked, which takes no snapshot yet; not where one may not be read."""
    while True:
        try:
            with savepoint(connection):
                # In one journey to the server: whatever reads a store begins with it.
                connection.exec_driver_sql(
                    f"SET LOCAL lock_timeout = '{_AT_A_TIME}';"
                    f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE;"
                    "SET LOCAL lock_timeout = 0"
                )
            return True
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state == _REFUSED:
                return False
            if state != _NO_LOCK or (deadline is not None and time.monotonic() > deadline):
                raise


def _open(connection: Connection, schema: str, tables: Collection[str]) -> None:
    """Have statements planned that read nothing: it locks the tables and, as LOCK TABLE does not, their indexes."""
    readable = text(
        "SELECT t.relname FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
        " WHERE n.nspname = :schema AND t.relname = ANY(:tables) AND t.relkind IN ('r', 'p')"
        " AND has_any_column_privilege(t.oid, 'SELECT') AND NOT row_security_active(t.oid)"
    )
    found = connection.execute(readable, {"schema": schema, "tables": list(tables)}).scalars().all()
    if found:
        some = [select(literal(1)).select_from(Table(name, MetaData())).limit(0) for name in sorted(found)]
        connection.execute(union_all(*(one.subquery().select() for one in some)))

"""PostgreSQL: locks that keep tables as they are while they are read.

A snapshot is one of rows and not of tables. Who reads a table that was rewritten (ALTER TABLE, TRUNCATE) after the
snapshot was taken sees it empty; so the locks come first, and the snapshot after them. And whoever wants to change a
table waits for all who read it, while later readers queue up behind him: one of several connections that wait for each
other would do so for ever, and the server cannot tell. So each of them has all of its locks before any begins to read.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    TableClause,
    Text,
    and_,
    cast,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.exc import DBAPIError

from holystone.flavours.connector import Held
from holystone.flavours.postgresql.session import SETTINGS
from holystone.flavours.savepoint import savepoint
from holystone.pg_durable.tables import TABLES

PATIENCE_SECONDS = 60.0
"""How long a table that somebody changes is waited for, where no other time is given."""

_REFUSED, _NO_LOCK = "42501", "55P03"
_AT_A_TIME = "500ms"
"""Less than PostgreSQL's `deadlock_timeout`: a migration that wants what is held already is not ended for it."""
_BESIDE = "100ms"


def lock_tables_shared(
    connection: Connection, schema: str, tables: Collection[str], patience: float | None, *, indexes: bool
) -> None:
    """Lock these tables for reading, and their indexes where asked, until the transaction ends; it begins with this.

    Waits for whoever is changing one, without a table in hand and for so many seconds, `PATIENCE_SECONDS` for None:
    DBAPIError then. Tables that this role may not read, or not in full, are left out, and what wants them will be told.
    """
    names = [_qualified(connection, schema, table) for table in sorted(tables)]
    deadline = time.monotonic() + (PATIENCE_SECONDS if patience is None else patience)
    if names and not _locked(connection, names, deadline):
        for name in names:
            _locked(connection, [name], deadline)
    if indexes:
        _open(connection, schema, tables)


def try_lock_tables_shared(connection: Connection, schema: str, tables: Collection[str]) -> bool:
    """Do the same without waiting, where another connection holds them already; return whether that was possible."""
    try:
        with savepoint(connection):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_BESIDE}'")
            _open(connection, schema, tables)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {SETTINGS['lock_timeout']}")
    except DBAPIError:
        return False
    return True


def _locked(connection: Connection, names: Sequence[str], deadline: float) -> bool:
    """Return whether the tables could be locked, which takes no snapshot yet; not where one may not be read."""
    while True:
        try:
            with savepoint(connection):
                # In one journey to the server: whatever reads a store begins with it.
                connection.exec_driver_sql(
                    f"SET LOCAL lock_timeout = '{_AT_A_TIME}';"
                    f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE;"
                    f"SET LOCAL lock_timeout = {SETTINGS['lock_timeout']}"
                )
            return True
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state == _REFUSED:
                return False
            if state != _NO_LOCK or time.monotonic() > deadline:
                raise


def _open(connection: Connection, schema: str, tables: Collection[str]) -> None:
    """Have statements planned that read nothing: it locks the tables and, as LOCK TABLE does not, their indexes."""
    readable = text(
        "SELECT n.nspname, t.relname FROM pg_catalog.pg_class AS t"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
        " WHERE n.nspname = ANY(:schemas) AND t.relname = ANY(:tables) AND t.relkind IN ('r', 'p')"
        " AND has_schema_privilege(n.oid, 'USAGE')"
        " AND has_any_column_privilege(t.oid, 'SELECT') AND NOT row_security_active(t.oid)"
    )
    wanted = [_place(schema, table) for table in tables]
    schemas, names = ({place[part] for place in wanted} for part in (0, 1))
    rows = connection.execute(readable, {"schemas": list(schemas), "tables": list(names)})
    found = sorted({(row.nspname, row.relname) for row in rows} & set(wanted))
    if found:
        # Not a Table: SQLAlchemy translates the schemas of those, and refuses one with a bracket in its name.
        some = [select(literal(1)).select_from(TableClause(name, schema=of)).limit(0) for of, name in found]
        connection.execute(union_all(*(one.subquery().select() for one in some)))


def _place(schema: str, table: str) -> tuple[str, str]:
    """Return the schema and the name of a table that is named as repairs name it."""
    of = TABLES.get(table)
    return (schema, table) if of is None or of.schema is None else (of.schema, of.name)


def _qualified(connection: Connection, schema: str, table: str) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return ".".join(map(quote, _place(schema, table)))


_WHO = "SELECT a.pid, a.usename, a.application_name, a.state, a.xact_start AS since FROM pg_catalog.pg_locks AS l"
_WHO += " JOIN pg_catalog.pg_stat_activity AS a USING (pid)"
_OTHERS = " AND l.granted AND a.pid <> pg_backend_pid() ORDER BY a.xact_start LIMIT 2"
_OF_SCHEMA = (
    " JOIN pg_catalog.pg_class AS t ON t.oid = l.relation JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
    " WHERE l.locktype = 'relation' AND n.nspname = :schema AND (:name = '' OR t.relname = :name)"
    " AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
)
_LOCKS_TABLE = text(
    f"{_WHO}{_OF_SCHEMA} AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
    f"{_OTHERS}"
)
_WRITES_TO_TABLE = text(f"{_WHO}{_OF_SCHEMA} AND l.mode IN ('RowShareLock', 'RowExclusiveLock'){_OTHERS}")
_IS_TRANSACTION = text(
    f"{_WHO} WHERE l.locktype = 'transactionid' AND l.transactionid = CAST(:transaction AS xid){_OTHERS}"
)
_HAS_ADVISORY = text(
    "SELECT a.pid, a.usename, a.application_name, a.state, a.xact_start AS since FROM pg_catalog.pg_locks AS l"
    " JOIN pg_catalog.pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory' AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
    " AND (l.classid::bigint << 32 | l.objid::bigint) = :key AND l.granted AND a.pid <> pg_backend_pid() LIMIT 1"
)


def lock_rows(connection: Connection, schema: str, keys: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Held]:
    """Lock these rows, whose `keys` are by table, to the end of the transaction; yield those that others hold.

    Waits for nobody, and lets no later statement of the transaction wait for long, for now it holds rows of the engine.
    """
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_AT_A_TIME}'")
    for name, wanted in sorted(keys.items()):
        of, name_there = _place(schema, name)
        if not _may_write(connection, _qualified(connection, schema, name)):
            yield Held(name, None, who_locks(connection, of, name_there) or "another session")
            continue
        table = TABLES[name]
        rows = or_(*(and_(*(table.c[column] == value for column, value in key.items())) for key in wanted))
        columns = [table.c[column] for column in sorted(wanted[0])]
        ours = {
            tuple(row) for row in connection.execute(select(*columns).where(rows).with_for_update(skip_locked=True))
        }
        if len(ours) < len(wanted):
            there = connection.execute(select(*columns, cast(literal_column("xmax"), Text)).where(rows)).all()
            for *key, transaction in there:
                if tuple(key) not in ours:
                    yield Held(name, tuple(key), _who_locks_row(connection, of, name_there, transaction))


def _may_write(connection: Connection, table: str) -> bool:
    """Return whether nobody keeps others from writing to the table; nobody can from now on."""
    try:
        with savepoint(connection):
            connection.exec_driver_sql(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE NOWAIT")
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state not in (_NO_LOCK, _REFUSED):
            raise
        return bool(state == _REFUSED)  # what the role may not lock it may still write to
    return True


def _who_locks_row(connection: Connection, schema: str, table: str, transaction: str) -> str:
    """Return who has locked a row with this xmax: the transaction of it, or else the only one that writes there."""
    found = connection.execute(_IS_TRANSACTION, {"transaction": transaction}).first()
    if found is None:  # several that share a lock have a number of their own
        writers = connection.execute(_WRITES_TO_TABLE, {"schema": schema, "name": table}).all()
        found = writers[0] if len(writers) == 1 else None
    return "another session" if found is None else session_of(found)


def who_locks(connection: Connection, schema: str, table: str = "") -> str | None:
    """Return who keeps others from writing to the table, or to any of the schema, None where nobody is seen to."""
    found = connection.execute(_LOCKS_TABLE, {"schema": schema, "name": table}).first()
    return None if found is None else session_of(found)


def who_holds_advisory(connection: Connection, key: int) -> str | None:
    """Return who has the advisory lock of this key, None where nobody else has."""
    found = connection.execute(_HAS_ADVISORY, {"key": key}).first()
    return None if found is None else session_of(found)


def session_of(who: Row[Any]) -> str:
    """Return a session as one tells it from others; not all roles may see what it does, and since when."""
    program = f" ({who.application_name})" if who.application_name else ""
    state = f", {who.state}" if who.state else ""
    since = f", since {who.since:%Y-%m-%d %H:%M:%S %Z}" if who.since else ""
    return f"process {who.pid}, {who.usename}{program}{state}{since}"

"""The structure of a PostgreSQL store: read, recognised and changed while an engine may be at work.

The engine's logic lives in functions, which its second migration begins to make and which are its own code. So
holystone makes what the first migration makes, all of it tables, enters that in the ledger, and the engine goes on
from there when it first opens the store. Nothing more can be prepared: since 0.2.2 the engine opens a schema only where
the ledger is a prefix of its own migrations, without a hole, and where each of the engine's tables belongs to one of
them; earlier versions run the rest over whatever is there, and fail at the nineteenth where kv_store is whole already.
"""

import shlex
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Index, MetaData, Row, Table, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateSchema, DropIndex

from holystone.errors import StoreUnavailableError, TakenError, TargetError
from holystone.flavours.lineage import Facts
from holystone.flavours.postgresql import discovery, functions, integrity, introspection, objects
from holystone.flavours.postgresql.connector import PostgreSQLConnector
from holystone.flavours.postgresql.ledger import ENGINES_LOCK, ledger, lock_key
from holystone.flavours.postgresql.lineage import LINEAGE
from holystone.flavours.postgresql.locks import session_of
from holystone.flavours.postgresql.session import SETTINGS, keep
from holystone.flavours.structure import Functions, LedgerEntry, Objects, Structure

PATIENCE_SECONDS = 60.0
"""How long to wait for other migrators, and for a moment at which an index can be built."""
OUR_LOCK = "holystone:migrations:"
_POLL_SECONDS = 0.1
_LOCK_TIMEOUT = "'10s'"
"""For the statements of a revision: they wait for the engine's transactions, and later ones wait for them."""
_NO_LOCK, _DEADLOCK = "55P03", "40P01"

_RELATIONS = text(
    "SELECT count(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema"
)
# The engine writes the name into its statements without quotation marks.
_USABLE = text("SELECT quote_ident(:schema) = :schema AND octet_length(:schema) <= 63")
_HOLDER = text(
    "SELECT a.pid, a.usename, a.application_name, a.state, a.backend_start AS since FROM pg_catalog.pg_locks AS l"
    " JOIN pg_catalog.pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
    " AND (l.classid::bigint << 32 | l.objid::bigint) = :key"
)
_OLDEST_TRANSACTION = text(
    "SELECT pid, usename, application_name, state, xact_start AS since FROM pg_catalog.pg_stat_activity"
    " WHERE xact_start IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend' ORDER BY xact_start LIMIT 1"
)
_DEADLOCK_TIMEOUT = text("SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'")
_INDEX = text(
    "SELECT x.indisvalid FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace WHERE n.nspname = :schema AND i.relname = :name"
)


class PostgreSQLStructure(Structure):
    lineage = LINEAGE
    branch = "postgresql"
    engine_completes = "its functions and the rest of its tables"
    one_transaction = False

    def __init__(self, connector: PostgreSQLConnector) -> None:
        self.connector = connector
        self.schema = connector.schema

    @property
    def how_to_complete(self) -> str:
        return "Open it once with a newer engine, which adds them."

    @property
    def before_creation(self) -> str:
        return f"{CreateSchema(self.schema, if_not_exists=True).compile(dialect=self.connector.dialect())};"

    @property
    def shell(self) -> str:
        return f"psql -v ON_ERROR_STOP=1 {shlex.quote(str(self.connector.target))}"

    def facts(self, connection: Connection, tables: Collection[str]) -> Facts:
        return introspection.read(connection, self.schema, tables)

    def additions(self, connection: Connection, tables: Collection[str]) -> Sequence[str]:
        return introspection.additions(connection, self.schema, tables)

    def functions(self, connection: Connection, version: int | None) -> Functions:
        return functions.wrong(connection, self.schema, version)

    def interference(self, connection: Connection, tables: Collection[str]) -> Objects:
        return objects.interference(connection, self.schema, tables, LINEAGE.indexes)

    def sequences(self, connection: Connection) -> Objects:
        return objects.sequences(connection, self.schema)

    def unusable_indexes(self, connection: Connection, tables: Collection[str]) -> Objects:
        return objects.unusable_indexes(connection, self.schema, tables, LINEAGE.indexes)

    def other_stores(self, connection: Connection) -> Sequence[str]:
        return [schema for schema in discovery.stores(connection) if schema != self.schema]

    def damages(self, connection: Connection, tables: Collection[str]) -> Objects:
        return integrity.damages(connection, self.schema, tables)

    def ledger(self, connection: Connection) -> Sequence[LedgerEntry] | None:
        if not inspect(connection).has_table(ledger.name, schema=self.schema):
            return None
        versions = connection.execute(select(ledger.c.version).order_by(ledger.c.version)).scalars()
        return [LedgerEntry(version, None) for version in versions]

    def is_vacant(self) -> bool:
        try:
            with self.connector.create_engine(read_only=True).connect() as connection:
                return self._is_vacant(connection)
        except DBAPIError as error:
            raise self.connector.translate_error(error) from error

    def _is_vacant(self, connection: Connection) -> bool:
        """Return whether the schema holds nothing, and is not likely to be named by a slip.

        Where another schema of the database holds a store, it takes one that somebody has made for another.
        """
        if connection.execute(_RELATIONS, {"schema": self.schema}).scalar_one():
            return False
        if not connection.execute(_USABLE, {"schema": self.schema}).scalar_one():
            raise TargetError(
                f"The engine opens no store in a schema that is named {self.schema!r}.",
                "Choose a name of small letters, digits and underscores, which is no word of SQL.",
            )
        made_on_purpose = self.schema != "public" and inspect(connection).has_schema(self.schema)
        return made_on_purpose or not self.connector.schemas_with_stores(connection)

    @contextmanager
    def creation(self) -> Iterator[Connection]:
        try:
            with self._no_other_migrator(), self.connector.create_engine(read_only=False).begin() as connection:
                # An engine that comes meanwhile waits for its own lock, and finds the store whole.
                self._await(connection, lock_key(ENGINES_LOCK, self.schema))
                if not self._is_vacant(connection):
                    raise TakenError(
                        f"The schema {self.schema!r} of {self.connector.target} is not empty.",
                        "Name a schema that is empty, or not there yet.",
                    )
                connection.execute(CreateSchema(self.schema, if_not_exists=True))
                yield connection
        except DBAPIError as error:
            raise self.connector.translate_error(error) from error

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        with self._no_other_migrator(), self.connector.create_engine(read_only=False).connect() as connection:
            keep(connection, "lock_timeout", _LOCK_TIMEOUT)
            connection.commit()
            yield connection

    @contextmanager
    def _no_other_migrator(self) -> Iterator[None]:
        """Hold the lock of holystone's own migrators, on a connection of its own, which ends with this process.

        It is asked for again and again, and not waited for: who waits holds a snapshot, and CREATE INDEX
        CONCURRENTLY waits for the end of every snapshot, so that two migrators would wait for each other. Between its
        statements a transaction that reads what is committed holds none, and a pooler gives its connection to nobody.
        """
        with self.connector.create_engine(read_only=False).begin() as connection:
            self._await(connection, lock_key(OUR_LOCK, self.schema))
            yield

    def _await(self, connection: Connection, key: int) -> None:
        """Take an advisory lock; StoreUnavailableError, which says who holds it, where it is not free in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._try_lock(connection, key):
            if time.monotonic() > deadline:
                raise self._kept_waiting("is being migrated by", connection.execute(_HOLDER, {"key": key}).first())
            time.sleep(_POLL_SECONDS)

    def _try_lock(self, connection: Connection, key: int) -> bool:
        taken = bool(connection.execute(select(func.pg_try_advisory_xact_lock(key))).scalar_one())
        # Until another statement takes its place, that one keeps its snapshot, also while this one waits its turn.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {SETTINGS['lock_timeout']}")
        return taken

    def build_index(self, connection: Connection, index: Index) -> None:
        if _commits_by_itself(connection):
            self._patiently(connection, lambda: self._build(connection, index))
        else:
            connection.execute(CreateIndex(index, if_not_exists=True))

    def _build(self, connection: Connection, index: Index) -> None:
        named = {"schema": self.schema, "name": index.name}
        is_valid = connection.execute(_INDEX, named).scalar_one_or_none()
        if is_valid is False:
            # What an interrupted build left: never used, kept up to date all the same, and in the way of another.
            connection.execute(DropIndex(_concurrently(index), if_exists=True))
        if not is_valid:
            connection.execute(CreateIndex(_concurrently(index)))

    def index_statement(self, index: Index) -> CreateIndex:
        return CreateIndex(_concurrently(index))

    def remove_index(self, connection: Connection, index: Index) -> None:
        if _commits_by_itself(connection):
            drop = DropIndex(_concurrently(index), if_exists=True)
            self._patiently(connection, lambda: connection.execute(drop))
        else:
            connection.execute(DropIndex(index, if_exists=True))

    def _patiently(self, connection: Connection, act: Callable[[], Any]) -> None:
        """Do something that waits for others' transactions again and again, and never for long at a time.

        An engine that starts may want to alter the table, and waits for the build while the build waits for the
        engine's transaction. PostgreSQL ends one of the two after `deadlock_timeout`; this one gives way before that.
        """
        deadlock = connection.execute(_DEADLOCK_TIMEOUT).scalar_one()
        deadline = time.monotonic() + PATIENCE_SECONDS
        keep(connection, "lock_timeout", f"'{max(1, int(deadlock * 0.8))}ms'")
        while True:
            try:
                act()
                break
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in (_NO_LOCK, _DEADLOCK):
                    raise
                if time.monotonic() > deadline:
                    oldest = connection.execute(_OLDEST_TRANSACTION).first()
                    raise self._kept_waiting("has been in a transaction of", oldest) from error
            time.sleep(_POLL_SECONDS)
        keep(connection, "lock_timeout", _LOCK_TIMEOUT)

    def lock_tables(self, connection: Connection, tables: Collection[str]) -> None:
        quote = connection.dialect.identifier_preparer.quote
        for table in tables:
            connection.exec_driver_sql(f"LOCK TABLE {quote(self.schema)}.{quote(table)}")

    def _kept_waiting(self, why: str, who: Row[Any] | None) -> StoreUnavailableError:
        if who is None:  # gone this moment
            return StoreUnavailableError(f"{self.connector.target} {why} another process.", "Run the command again.")
        return StoreUnavailableError(
            f"{self.connector.target} {why} {session_of(who)}.",
            f"Run the command again when it is done; SELECT pg_terminate_backend({who.pid}) ends it where it hangs.",
        )


def _commits_by_itself(connection: Connection) -> bool:
    # What the server says of its isolation level does not tell.
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _concurrently(index: Index) -> Index:
    """Return the same index, to be made or dropped while others write to its table."""
    assert index.table is not None
    columns = [Column(column.name, column.type) for column in index.columns]
    Table(index.table.name, MetaData(), *columns)
    where = index.dialect_options["postgresql"]["where"]
    return Index(index.name, *columns, postgresql_where=where, postgresql_concurrently=True)

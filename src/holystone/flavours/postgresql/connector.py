"""Connections to a PostgreSQL database, its locks, and its errors."""

import importlib.util
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Table,
    Text,
    create_engine,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.psycopg import dialect as PostgreSQLDialect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from holystone.errors import HolystoneError, NoTablesError, StoreUnavailableError, TargetError
from holystone.flavours.changes import Changes, Position
from holystone.flavours.compiled import COMPILED_STATEMENTS
from holystone.flavours.connector import Columns, Held, Located
from holystone.flavours.postgresql import changes, discovery, ends, errors, forks, locks, session, soundness, values
from holystone.flavours.postgresql.pipelined import PipelinedConnector
from holystone.pg_durable import tables as df

_FOR_READING = {
    # Rows that are fetched some at a time are planned for a reader who leaves off after a tenth; a scan reads all.
    "cursor_tuple_fraction": "1",
    # A scan follows the order of keys, so the pages that it wants are near each other, or were read just before.
    "random_page_cost": "1.1",
}
_FOR_READING_SINCE: Mapping[int, Mapping[str, str]] = {
    # What is looked up for each execution is not asked for twice, and to remember it takes a tenth of the look-up.
    140000: {"enable_memoize": "off"}
}
"""Version of the server, as libpq has it -> what there is to be set from it on."""


_FOR_HASHING = {
    # Some hundred thousand groups; what is more PostgreSQL keeps in files.
    "work_mem": "64MB",
    # A table is read as it lies, and not in the order of an index only because that is there.
    "random_page_cost": "4",
}
_AS_IT_LIES = ("enable_seqscan", "enable_bitmapscan")


def _explain_stray_bytes(failure: ExceptionContext) -> DataError | None:
    """Return the error of a name that is no UTF-8: such a one cannot be asked for, and no database holds it."""
    if not isinstance(failure.original_exception, UnicodeEncodeError):
        return None
    return DataError(failure.statement, None, ValueError("a name that was given is not UTF-8"))


class PostgreSQLConnector(PipelinedConnector):
    _is_limited = False

    @property
    def schema(self) -> str:
        assert self.target.schema is not None
        return self.target.schema

    def create_engine(self, *, read_only: bool) -> Engine:
        options: dict[str, Any] = {"compiled_cache": COMPILED_STATEMENTS}
        if read_only:
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        engine = self._engine(NullPool, options, pool_reset_on_return=None)
        event.listen(engine, "begin", session.begin)
        event.listen(engine, "handle_error", ends.tell)
        event.listen(engine, "reset", ends.reset)
        return engine

    def create_turn_engine(self) -> Engine:
        engine = self._engine(QueuePool, {}, pool_size=0, isolation_level="AUTOCOMMIT")
        event.listen(engine, "connect", session.keep_all)
        event.listen(engine, "before_execute", self._begin)
        event.listen(engine, "commit", self._commit)
        forks.keep_apart(engine)
        return engine

    def _engine(self, pool: type[Pool], options: Mapping[str, Any], **settings: Any) -> Engine:
        assert self.target.url is not None
        if importlib.util.find_spec("psycopg") is None:
            raise TargetError(
                "PostgreSQL stores need psycopg, which is not installed.",
                "python -m pip install 'holystone[postgresql]'",
            )
        engine = create_engine(
            self.target.url,
            poolclass=pool,
            use_native_hstore=False,  # to look for it SQLAlchemy would ask by names that anybody may have taken
            **settings,
            execution_options={"schema_translate_map": {None: self.schema}, **options},
            connect_args={
                "connect_timeout": session.CONNECT_SECONDS,
                "application_name": "holystone",
                "client_encoding": "UTF8",
            },
        )
        event.listen(engine, "do_connect", session.connect)
        event.listen(engine, "handle_error", _explain_stray_bytes)
        event.listen(engine, "connect", lambda driver, _: values.register_loaders(driver))
        event.listen(engine, "connect", session.connected)
        return engine

    def export_snapshot(self, connection: Connection) -> str | None:
        return str(connection.execute(select(func.pg_export_snapshot())).scalar_one())

    def import_snapshot(self, connection: Connection, view: str | None) -> None:
        # Takes no parameters; the server made the id, of digits, letters and dashes.
        assert view is not None
        assert view.replace("-", "").isalnum()
        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{view}'")

    def lock_tables_shared(
        self, connection: Connection, tables: Collection[str], patience: float | None, *, alone: bool
    ) -> None:
        locks.lock_tables_shared(connection, self.schema, tables, patience, indexes=not alone)

    def try_lock_tables_shared(self, connection: Connection, tables: Collection[str]) -> bool:
        return locks.try_lock_tables_shared(connection, self.schema, tables)

    def tune_for_scan(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        since = (some for version, some in _FOR_READING_SINCE.items() if driver.info.server_version >= version)
        _set_local(connection, {name: value for some in (_FOR_READING, *since) for name, value in some.items()})

    def limit_statements(self, connection: Connection, seconds: float) -> None:
        self._is_limited = True
        # Takes no parameters; set_config does, and would take the snapshot.
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000)):d}")

    def limit_transaction(self, connection: Connection, seconds: float) -> None:
        session.limit(connection, seconds)

    def lying_indexes(self, connection: Connection, columns: Columns, instance_ids: Sequence[str]) -> list[str]:
        return list(soundness.lying_indexes(connection, self.schema, columns, instance_ids))

    def interrupt(self, connection: Connection) -> None:
        if not connection.invalidated:  # SQLAlchemy would connect anew
            driver: Any = connection.connection.driver_connection
            driver.stop()

    def position(self, connection: Connection) -> Position:
        return changes.position(connection, self.schema)

    def changed_since(self, connection: Connection, position: Position, *, kept_outside: bool = False) -> Changes:
        return changes.changed_since(connection, self.schema, position)

    def dialect(self) -> Dialect:
        return PostgreSQLDialect(paramstyle="named")  # type: ignore[no-untyped-call]

    def locate(self, connection: Connection) -> Located:
        located = discovery.locate(connection, self.target)
        if located is None:
            raise self.no_store(connection)
        return located

    def columns(self, connection: Connection) -> Columns:
        beside = df.REQUIRED_COLUMNS.keys() & self.stored.keys()
        found = discovery.columns(connection, [self.schema, *({df.SCHEMA} if beside else ())])
        of_extension = {name: found.get(df.SCHEMA, {}).get(df.TABLES[name].name, frozenset()) for name in beside}
        return {**found.get(self.schema, {}), **of_extension}

    def no_store(self, connection: Connection) -> HolystoneError:
        found = [f"--schema {shlex.quote(name)}" for name in self.schemas_with_stores(connection)]
        exists = connection.execute(
            text("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = :schema"), {"schema": self.schema}
        ).scalar_one()
        what = "holds none of duroxide's tables" if exists else "does not exist"
        return NoTablesError(
            f"The schema {self.schema!r} of {self.target} {what}.",
            f"Try {', or '.join(found)}." if found else "Name the database and the schema that the engine is given.",
        )

    def require_writable(self, connection: Connection) -> None:
        if connection.execute(select(func.pg_is_in_recovery())).scalar_one():
            raise StoreUnavailableError(
                f"{self.target} is a hot standby, to which nothing can be written.", "Run the command on the primary."
            )

    def may_write(self, connection: Connection, table: Table) -> bool:
        privileges = text(
            "SELECT has_table_privilege(t.oid, 'INSERT') AND has_table_privilege(t.oid, 'DELETE')"
            " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
            " WHERE n.nspname = :schema AND t.relname = :table"
        )
        given = connection.execute(privileges, {"schema": self.schema, "table": table.name}).scalar()
        return bool(given) and super().may_write(connection, table)

    def schemas_with_stores(self, connection: Connection) -> Sequence[str]:
        """Return the schemas of the database that hold the engine's tables, by name."""
        return discovery.stores(connection)

    def is_of_rows(self, error: DBAPIError) -> bool:
        # Corrupt or internal, a file that cannot be read, a text that is none, or more than fits into memory.
        return (getattr(error.orig, "sqlstate", None) or "").startswith(("XX", "58", "22", "54"))

    def too_great(self, error: DBAPIError) -> str | None:
        cause = ends.first(error.orig or error)
        if getattr(cause, "sqlstate", None) != "22003":
            return None
        return str(cause).partition("\n")[0]  # which parameter it is, of which statement, tells nobody anything

    def is_of_lock(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) in errors.NOT_LOCKED

    def _in_the_way(self) -> str | None:
        """Return who has a table of the store locked now, as far as that can be told."""
        try:
            with self.create_engine(read_only=True).connect() as connection:
                return locks.who_locks(connection, self.schema)
        except DBAPIError:
            return None

    @contextmanager
    def by_index(self, connection: Connection) -> Iterator[None]:
        for name in _AS_IT_LIES:
            connection.exec_driver_sql(f"SET LOCAL {name} = off")
        yield
        for name in _AS_IT_LIES:
            connection.exec_driver_sql(f"SET LOCAL {name} = on")

    @contextmanager
    def hashing(self, connection: Connection) -> Iterator[None]:
        before = connection.execute(select(*(func.current_setting(name) for name in _FOR_HASHING))).one()
        _set_local(connection, _FOR_HASHING)
        yield
        _set_local(connection, dict(zip(_FOR_HASHING, before, strict=True)))

    def is_refusal(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) == "42501"

    def translate_error(self, error: DBAPIError) -> HolystoneError:
        return errors.translated(error, self.target, is_limited=self._is_limited, in_the_way=self._in_the_way)

    def exclude_engine(self, connection: Connection, instance_ids: Sequence[str]) -> set[str]:
        named = func.unnest(literal(list(instance_ids), ARRAY(Text))).column_valued("instance_id")
        held = connection.execute(select(named, self.try_advisory_lock(named)))
        return {instance_id for instance_id, is_held in held if not is_held}

    def try_advisory_lock(self, instance_id: ColumnElement[str]) -> ColumnElement[bool]:
        # fetch_orchestration_item takes this very lock before it takes an instance.
        return func.pg_try_advisory_xact_lock(func.hashtext(instance_id))

    def advisory_lock(self, instance_id: ColumnElement[str]) -> ColumnElement[Any] | None:
        return func.pg_advisory_xact_lock(func.hashtext(instance_id))  # as in try_advisory_lock

    def who_holds(self, connection: Connection, instance_id: str) -> str | None:
        key = connection.execute(select(func.hashtext(instance_id))).scalar_one()
        return locks.who_holds_advisory(connection, key)

    def lock_rows(self, connection: Connection, keys: Mapping[str, Sequence[Mapping[str, Any]]]) -> Sequence[Held]:
        return list(locks.lock_rows(connection, self.schema, keys))


def _set_local(connection: Connection, settings: Mapping[str, str]) -> None:
    connection.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))

"""PostgreSQL: in which schema the store is, and whether pg_durable's own tables are beside it.

pg_durable says by a function where its engine is, `df.duroxide_schema()`. Whoever owns the schema may have put another
one in its place, which would then run with the rights of whoever checks, so it is not called: its text is read from
the catalogue, and taken only where it is the one constant that pg_durable makes of it.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, text

from holystone.duroxide.tables import REQUIRED_COLUMNS
from holystone.errors import HolystoneError, NotAStoreError
from holystone.flavours.connector import Columns, Located
from holystone.flavours.target import Target
from holystone.pg_durable import tables as df

OTHERS_SCHEMA = "the schema df of this database is not pg_durable's"
OTHER_STORE = "pg_durable runs on the store in the schema {!r}"
_LEGACY, _USUAL = "duroxide", "_duroxide"
"""The schema of the engine where nothing says its name, which is so before 0.2.3; and since then."""
_OLDEST_MIGRATION = 21
"""The last migration of the provider that 0.2.2 came with, which was the first one on it."""

_COLUMNS = text(
    "SELECT n.nspname, t.relname, c.attname FROM pg_catalog.pg_attribute AS c"
    " JOIN pg_catalog.pg_class AS t ON t.oid = c.attrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
    " WHERE n.nspname = ANY(:schemas) AND t.relkind IN ('r', 'p') AND c.attnum > 0 AND NOT c.attisdropped"
)
_STORES = text(
    "SELECT n.nspname FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_class AS t"
    " ON t.relnamespace = n.oid WHERE t.relname IN ('instances', 'executions', 'history')"
    " AND t.relkind IN ('r', 'p') GROUP BY n.nspname HAVING count(*) = 3 ORDER BY n.nspname"
)
_SAYS_SCHEMA = text(
    "SELECT CASE WHEN l.lanname = 'sql' THEN p.prosrc END FROM pg_catalog.pg_proc AS p"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
    " JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang"
    " WHERE n.nspname = 'df' AND p.proname = 'duroxide_schema' AND p.pronargs = 0"
)
_CONSTANT = re.compile(r"\s*SELECT\s+'([^'\\]+)'(::text)?\s*;?\s*", re.IGNORECASE)
_DATABASES = text("SELECT current_database(), current_setting('pg_durable.database', true)")
_NEWEST_MIGRATION = 'SELECT max(version) FROM "duroxide"._duroxide_migrations'


def columns(connection: Connection, schemas: Sequence[str]) -> Mapping[str, Columns]:
    """Return for each of these schemas its tables with their columns; none of a schema without tables."""
    found: dict[str, dict[str, set[str]]] = {}
    for schema, table, column in connection.execute(_COLUMNS, {"schemas": list(schemas)}):
        found.setdefault(schema, {}).setdefault(table, set()).add(column)
    return {schema: {table: frozenset(names) for table, names in tables.items()} for schema, tables in found.items()}


def stores(connection: Connection) -> Sequence[str]:
    """Return the schemas of the database that hold the engine's tables, by name."""
    return connection.execute(_STORES).scalars().all()


def locate(connection: Connection, target: Target) -> Located | None:
    """Return where the store of the target is; None where the target names no schema, and no other is plainly meant.

    NotAStoreError where pg_durable's own tables are in the place of a store, or are there without one.
    """
    assert target.schema is not None
    found = columns(connection, [target.schema, df.SCHEMA])
    own, beside = found.get(target.schema, {}), found.get(df.SCHEMA, {})
    search = _Search(connection, target, beside)
    if target.schema == df.SCHEMA and search.is_extensions:
        raise search.named_by_mistake()
    if target.schema_is_named:
        return Located(target.schema, _together(own, beside, no := search.no_extension(target.schema)), no)
    schema = search.schema(bool(REQUIRED_COLUMNS.keys() & own.keys()))
    if schema is None:
        return None
    if schema != target.schema:
        own = columns(connection, [schema]).get(schema, {})
    return Located(schema, _together(own, beside, no := search.no_extension(schema)), no)


def _together(own: Columns, beside: Columns, no_extension: str | None) -> Columns:
    """Return the columns of a store's tables and of pg_durable's, these by their names with the schema."""
    if no_extension is not None:
        return own
    return {**own, **{name: beside[df.TABLES[name].name] for name in df.REQUIRED_COLUMNS}}


class _Search(Struct, frozen=True):
    """What tells where the store is; asked of the database only where pg_durable's tables may be there."""

    connection: Connection
    target: Target
    beside: Columns

    @property
    def is_extensions(self) -> bool:
        """Whether the schema df is pg_durable's, as a whole or in part."""
        return any(
            {"submitted_by", sign} <= self.beside.get(table, frozenset())
            for table, sign in (("instances", "root_node"), ("nodes", "node_type"))
        )

    @property
    def engine_schema(self) -> str | None:
        """The schema of pg_durable's engine, None where its function is not as pg_durable makes it."""
        functions = self.connection.execute(_SAYS_SCHEMA).scalars().all()
        if not functions:
            return _LEGACY
        constant = _CONSTANT.fullmatch(functions[0] or "")
        return None if constant is None else constant[1]

    def no_extension(self, schema: str) -> str | None:
        """Return why pg_durable's tables are not looked at beside the store in a schema; None where they are."""
        if not self.beside:
            return df.NO_EXTENSION
        if not self.is_extensions:
            return OTHERS_SCHEMA
        engine = self.engine_schema
        if engine != schema and not (engine is None and schema in (_LEGACY, _USUAL)):
            return OTHER_STORE.format(engine)
        lacking = self._lacking()
        return f"pg_durable is only half installed: it lacks {', '.join(lacking)}" if lacking else None

    def schema(self, is_here: bool) -> str | None:
        """Return the schema of the store where none is named; None where the usual one has none, nor any other.

        `is_here` is whether the usual one holds tables of the engine.
        """
        if self.is_extensions:
            return self._of_extension(is_here)
        if is_here:
            return self.target.schema
        found = stores(self.connection)
        if len(found) == 1:
            if "_worker_ready" in columns(self.connection, found)[found[0]]:
                raise self._without_tables(found[0])
            return found[0]
        database = self._elsewhere()
        if not found and database is not None:
            raise NotAStoreError(
                f"{self.target} holds no store, and pg_durable of this server has its own in {database!r}.",
                self._check_there(database),
            )
        return None

    def _of_extension(self, is_here: bool) -> str:
        engine = self.engine_schema
        if engine is None:
            raise NotAStoreError(
                f"df.duroxide_schema() of {self.target} is not as pg_durable makes it, and nothing of a store is run "
                "to find out what it says.",
                f"Name the schema of the engine's tables: --schema {_USUAL}, or --schema {_LEGACY}.",
            )
        found = stores(self.connection)
        if engine not in found:
            raise self._without_engine(engine)
        self._require_provider(engine)
        if lacking := self._lacking():
            raise NotAStoreError(
                f"pg_durable is only half installed in {self.target}: it lacks {', '.join(lacking)}.",
                f"Complete it with ALTER EXTENSION pg_durable UPDATE, or check the engine alone: --schema {engine}.",
            )
        others = [name for name in found if name in (_LEGACY, _USUAL) or (is_here and name == self.target.schema)]
        if others := [name for name in others if name != engine]:
            raise NotAStoreError(
                f"{self.target} holds more than one store: that of pg_durable in the schema {engine!r}, and another in "
                f"{others[0]!r}.",
                f"Name the one that you mean: --schema {engine}, or --schema {others[0]}.",
            )
        return engine

    def named_by_mistake(self) -> HolystoneError:
        engine = self.engine_schema
        where = "another schema" if engine is None else f"the schema {engine!r}"
        return NotAStoreError(
            f"The schema 'df' of {self.target} has pg_durable's own tables, and its engine keeps the store in {where}.",
            "Leave --schema out: both are looked at then.",
        )

    def _lacking(self) -> list[str]:
        lacking = []
        for name, needed in df.REQUIRED_COLUMNS.items():
            there = self.beside.get(df.TABLES[name].name)
            lacking += [name] if there is None else [f"{name}.{column}" for column in needed - there]
        return sorted(lacking)

    def _without_engine(self, engine: str) -> HolystoneError:
        database = self._elsewhere()
        if database is not None:
            return NotAStoreError(
                f"{self.target} is a satellite of pg_durable: what is started here runs on the engine in {database!r}, "
                "and no snapshot shows both.",
                self._check_there(database),
            )
        if "_installation" in self.beside:
            return NotAStoreError(
                f"{self.target} has pg_durable's own tables and no engine: it is a satellite, whose engine is in "
                "another database.",
                "Check the database that pg_durable.database of the server names.",
            )
        return NotAStoreError(
            f"pg_durable is only half there in {self.target}: the schema {engine!r} holds no store for it.",
            "Its background worker makes the store when it starts: see that shared_preload_libraries names pg_durable.",
        )

    def _without_tables(self, schema: str) -> HolystoneError:
        return NotAStoreError(
            f"The store in the schema {schema!r} of {self.target} is pg_durable's, whose own tables are gone: nobody "
            "can list or cancel what runs there.",
            f"Create the extension again, or check the engine alone: --schema {schema}.",
        )

    def _require_provider(self, engine: str) -> None:
        """Raise NotAStoreError where pg_durable is so old that its engine keeps the store in another way."""
        if engine != _LEGACY or self.connection.execute(_SAYS_SCHEMA).first() is not None:
            return
        if (self.connection.exec_driver_sql(_NEWEST_MIGRATION).scalar_one() or 0) < _OLDEST_MIGRATION:
            raise NotAStoreError(
                f"pg_durable in {self.target} is of version 0.2.1 or older, whose engine keeps the store in another "
                "way.",
                "Bring pg_durable to 0.2.2 or later: its notes on upgrades say how.",
            )

    def _elsewhere(self) -> str | None:
        """Return the database that pg_durable of the server works in, None where it is this one or nothing says."""
        here, named = self.connection.execute(_DATABASES).one()
        return None if not named or named == here else str(named)

    def _check_there(self, database: str) -> str:
        assert self.target.url is not None
        url = Target(None, self.target.url.set(database=database), self.target.schema)
        return f"Check that database: holystone check {url}"

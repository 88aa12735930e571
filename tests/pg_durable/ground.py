"""Databases as pg_durable leaves them: rows of real ones, in tables that are declared here.

The rows are in stores/: those of the six databases that pg_durable made, or that were made by its documents, as
PostgreSQL prints their values. Of the extension itself nothing is needed, and nothing is there.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.schema import CreateTable

from holystone.flavours.target import parse_target
from holystone.pg_durable.tables import metadata

STORES = Path(__file__).parent / "stores"
ENGINE = "_duroxide"
ROLES = ("alice", "bob", "carol")
EXPECTED: Mapping[str, Mapping[str, Mapping[str, str]]] = json.loads((STORES / "expected.json").read_text())
"""Store -> check -> instance with a finding -> its cause."""

_BESIDE = """
CREATE TABLE df.vars (name text, value text, owner regrole, PRIMARY KEY (owner, name));
CREATE TABLE df._worker_epoch (epoch_id uuid PRIMARY KEY, started_at timestamptz, last_seen_at timestamptz);
CREATE FUNCTION df.duroxide_schema() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '_duroxide'::text $$;
ALTER TABLE df.instances ALTER COLUMN id TYPE varchar(8), ALTER COLUMN root_node TYPE varchar(8),
    ALTER COLUMN status SET DEFAULT 'pending',
    ADD CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')), ADD UNIQUE (id, submitted_by);
ALTER TABLE df.nodes ALTER COLUMN id TYPE varchar(8), ALTER COLUMN instance_id TYPE varchar(8),
    ALTER COLUMN left_node TYPE varchar(8), ALTER COLUMN right_node TYPE varchar(8),
    ADD CHECK (result IS NULL OR status IN ('completed', 'failed'));
ALTER TABLE df.instances
    ADD CONSTRAINT root FOREIGN KEY (id, root_node) REFERENCES df.nodes DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE df.nodes
    ADD CONSTRAINT owner FOREIGN KEY (instance_id, submitted_by) REFERENCES df.instances (id, submitted_by)
    DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT left_side FOREIGN KEY (instance_id, left_node) REFERENCES df.nodes DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT right_side FOREIGN KEY (instance_id, right_node) REFERENCES df.nodes DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE df.instances ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.nodes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON df.instances USING (submitted_by::oid = quote_ident(current_user)::regrole::oid);
CREATE POLICY own ON df.nodes USING (submitted_by::oid = quote_ident(current_user)::regrole::oid);
"""
_CONTROL = "CREATE TABLE {engine}._origins (database_oid bigint, installation_id uuid);"
_SATELLITE = "CREATE TABLE df._installation (singleton boolean PRIMARY KEY, id uuid);"
_READY = (
    "CREATE TABLE {engine}._worker_ready (sentinel boolean PRIMARY KEY, schema_version int, initialized_at timestamptz)"
)


@dataclass(frozen=True)
class Database:
    """A database for one test alone."""

    url: str

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL and return its rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def dump(self, table: str, left_out: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
        """The rows of a table as text, by their values, without some columns."""
        rows = self.execute(f"SELECT to_jsonb(t) FROM {table} AS t")
        kept = [{name: value for name, value in row.items() if name not in left_out} for (row,) in rows]
        return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))

    def contents(self) -> dict[str, list[Any]]:
        """All that can be seen to change: the rows of every table, functions and columns."""
        tables = self.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'S', 'v', 'm') AND relnamespace NOT IN"
            " ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)"
        )
        found: dict[str, list[Any]] = {
            name: sorted(self.execute(f"SELECT row(t.*)::text FROM {name} AS t")) for (name,) in tables
        }
        found["functions"] = sorted(self.execute("SELECT oid::regprocedure::text, prosrc FROM pg_proc"))
        found["columns"] = sorted(self.execute("SELECT attrelid::regclass::text, attname::text FROM pg_attribute"))
        return found

    @property
    def shown(self) -> str:
        """The URL as it is printed."""
        return str(parse_target(self.url))

    def renamed(self, name: str) -> Database:
        """Another database of the same server."""
        return Database(make_url(self.url).set(database=name).render_as_string(hide_password=False))

    def set_extensions_database(self, name: str) -> None:
        """Have the database say, as the whole server would, in which one pg_durable works."""
        here = sql.Identifier(str(make_url(self.url).database))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET pg_durable.database = {}").format(here, sql.Literal(name))
            )

    def as_role(self, role: str) -> str:
        """The URL with which a role connects."""
        return self.url.replace("postgres@", f"{role}@")


def make_roles(url: str) -> None:
    """Make the roles that the rows are of, where they are not there yet."""
    with psycopg.connect(url, autocommit=True) as connection:
        there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        for role in ROLES:
            if role not in there:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))


def make_tables(url: str) -> None:
    """Make pg_durable's own tables, as it declares them."""
    dialect = make_url("postgresql+psycopg://").get_dialect()()
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA df")
        for statement in [*statements, _BESIDE]:
            connection.execute(statement.encode())


def load(url: str, name: str) -> None:
    """Put the rows of a store into the tables of the database, making those that only some versions have."""
    with gzip.open(STORES / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        tables = json.load(file)["tables"]
    with psycopg.connect(url) as connection:
        connection.execute("SET CONSTRAINTS ALL DEFERRED")
        for table, content in tables.items():
            _make_beside(connection, table)
            schema, _, bare = table.rpartition(".")
            place = sql.Identifier(schema or ENGINE, bare)
            columns = sql.SQL(", ").join(map(sql.Identifier, content["columns"]))
            with connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(place, columns)) as copy:
                for row in content["rows"]:
                    copy.write_row(row)
            if bare.endswith("_queue"):
                _advance(connection, f"{ENGINE}.{bare}")


def _make_beside(connection: psycopg.Connection[Any], table: str) -> None:
    made = {"_origins": _CONTROL, "_worker_ready": _READY, "df._installation": _SATELLITE}.get(table)
    if made is not None:
        connection.execute(made.format(engine=ENGINE).encode())


def _advance(connection: psycopg.Connection[Any], table: str) -> None:
    connection.execute(
        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(1, (SELECT max(id) FROM {table})))".encode()
    )

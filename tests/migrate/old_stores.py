"""Stores of the real engine in shapes that it leaves behind on its way, or when its migrations fail."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg import sql

from conftest import Place
from engine.engines import DriverError, run_driver

SQLITE_LEDGER = (
    "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, "
    "installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, "
    "checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
)
FOREIGN_CHECKSUM = (
    "INSERT INTO _sqlx_migrations VALUES (20240101000000, 'initial schema', CURRENT_TIMESTAMP, 1, x'00', 1)"
)

# The engine enters each migration in the transaction that runs it: where that fails, the store stays before it.
STOP = """
CREATE TABLE _duroxide_migrations (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP
);
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.version > {last} THEN RAISE 'stopped here'; END IF; RETURN NEW; END $$;
CREATE TRIGGER stop BEFORE INSERT ON _duroxide_migrations FOR EACH ROW EXECUTE FUNCTION stop();
"""
GO_ON = "DROP TRIGGER stop ON _duroxide_migrations; DROP FUNCTION stop();"


def make_fallback(version: str, path: Path) -> None:
    """Have an engine make its tables by hand, by a ledger that it cannot go on from."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{SQLITE_LEDGER}; {FOREIGN_CHECKSUM}")
    run_driver(version, "create", path)


def forget_ledger(path: Path) -> None:
    """Remove the ledger, so that the engine begins a new one."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE _sqlx_migrations")


def make_level(version: str, place: Place, last: int) -> None:
    """Have an engine migrate a PostgreSQL schema as far as its migration `last`, and no further."""
    _execute(place, sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(str(place.schema))))
    _execute(place, STOP.format(last=last))
    try:
        run_driver(version, "create", *place.arguments)
    except DriverError as error:
        if "stopped here" not in str(error):
            raise
    _execute(place, GO_ON)


def _execute(place: Place, script: str | sql.Composed) -> None:
    with psycopg.connect(place.target, options=f"-csearch_path={place.schema}", autocommit=True) as connection:
        connection.execute(script.encode() if isinstance(script, str) else script)

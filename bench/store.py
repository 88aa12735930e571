"""Build a big synthetic duroxide store: ``python -m bench.store PATH --executions 300000``.

The engine itself makes the empty schema; the rows are then written in bulk, in the form the engine gives
them, and agree with one another: a check that finds anything in a store built without ``--drift`` is wrong.
The same arguments always give the same rows.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from pathlib import Path

from bench.engine_schema import SQLITE_SCHEMA, engine
from bench.maker import Maker
from bench.postgresql_copy import copy_to_postgresql
from bench.rows import COLUMNS, Batch

FORMAT = 1
"""Raised whenever the same arguments give other rows than before; part of the name of a cached store."""

DEFAULT_EXECUTIONS = 300_000
DEFAULT_SEED = 20_250_101


def _insert(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write the rows of a batch."""
    for table, rows in batch.rows.items():
        names = COLUMNS[table]
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def make_drift(connection: sqlite3.Connection, count: int) -> int:
    """Turn so many finished executions, evenly spread, back into Running; return how many were changed.

    Their status, output and completed_at are lost, as after a crash between two writes; their history stays.
    """
    cursor = connection.execute(
        """
        WITH ended AS (
            SELECT rowid AS id, row_number() OVER (ORDER BY rowid) AS n, count(*) OVER () AS total
            FROM executions WHERE status <> 'Running'
        )
        UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL
        WHERE rowid IN (SELECT id FROM ended WHERE n * :count / total <> (n - 1) * :count / total)
        """,
        {"count": count},
    )
    return cursor.rowcount


def build(path: Path, executions: int = DEFAULT_EXECUTIONS, seed: int = DEFAULT_SEED, drift: int = 0) -> None:
    """Build the SQLite store at path, replacing what is there; it appears only once it is complete."""
    build_from(path, Maker(executions, seed), drift)


def build_from(path: Path, maker: Maker, drift: int) -> None:
    """Build a store of what a maker makes up."""
    part = path.with_name(path.name + ".part")
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)
    engine(SQLITE_SCHEMA, str(part))
    connection = sqlite3.connect(part, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF").fetchall()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")  # KiB: the index of the random ids must fit
        connection.execute("BEGIN EXCLUSIVE")
        for batch in maker.fill():
            _insert(connection, batch)
        if drift:
            make_drift(connection, drift)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    os.replace(part, path)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description="Build a big synthetic duroxide store.")
    parser.add_argument("path", type=Path, help="the SQLite file to build")
    parser.add_argument("--executions", type=int, default=DEFAULT_EXECUTIONS, metavar="N")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="N")
    parser.add_argument("--drift", type=int, default=0, metavar="N", help="leave N ended executions Running")
    parser.add_argument("--postgresql", metavar="URL", help="copy the store; an existing PATH is reused")
    parser.add_argument("--schema", default="bench", help="PostgreSQL schema to fill (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _arguments(argv)
    began = time.perf_counter()
    if given.postgresql is None or not given.path.exists():
        build(given.path, given.executions, given.seed, given.drift)
        size, took = given.path.stat().st_size / 1e9, time.perf_counter() - began
        print(f"{given.path}: {given.executions:,} executions, {size:.2f} GB, {took:.1f} s")
    if given.postgresql is not None:
        began = time.perf_counter()
        rows = copy_to_postgresql(given.path, given.postgresql, given.schema)
        print(f"schema {given.schema}: {sum(rows.values()):,} rows, {time.perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

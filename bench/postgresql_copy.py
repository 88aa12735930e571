"""Copies a built SQLite store into a schema of PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, column, literal_column, select
from sqlalchemy import table as engine_table
from sqlalchemy.dialects import sqlite

from bench.engine_schema import POSTGRESQL_SCHEMA, engine
from bench.rows import COLUMNS

if TYPE_CHECKING:
    import psycopg


_UTC = "|| '+00'"
_MS = "strftime('%Y-%m-%d %H:%M:%f+00', {0} / 1000.0, 'unixepoch')"

TO_POSTGRESQL: dict[str, dict[str, str]] = {
    "instances": {"created_at": f"created_at {_UTC}", "updated_at": f"updated_at {_UTC}"},
    "executions": {
        "started_at": f"started_at {_UTC}",
        "completed_at": f"CASE WHEN status <> 'ContinuedAsNew' THEN {_MS.format('completed_at')} END",
    },
    "history": {"event_type": "'Event'", "created_at": f"created_at {_UTC}"},
    "kv_store": {
        "execution_id": """(
            SELECT max(h.execution_id)
            FROM history AS h JOIN history AS t USING (instance_id, execution_id)
            WHERE h.instance_id = kv_store.instance_id
              AND h.event_type = 'KeyValueSet' AND h.event_data ->> '$.key' = kv_store.key
              AND t.event_type IN
                  ('OrchestrationCompleted', 'OrchestrationFailed', 'OrchestrationContinuedAsNew'))"""
    },
    "kv_delta": {},
    "orchestrator_queue": {"visible_at": _MS.format("visible_at"), "created_at": f"created_at {_UTC}"},
    "worker_queue": {"visible_at": _MS.format("visible_at"), "created_at": f"created_at {_UTC}"},
}
"""Table -> column -> the SQLite expression of what the engine keeps in that column on PostgreSQL."""


def _copy(source: sqlite3.Connection, target: psycopg.Connection, schema: str, table: str) -> int:
    """Copy one table and return its number of rows."""
    from psycopg import sql

    made = TO_POSTGRESQL[table]
    values: dict[str, ColumnElement[object]] = {
        name: literal_column(made[name]) if name in made else column(name) for name in (*COLUMNS[table], *made)
    }
    rows_in_order = select(*values.values()).select_from(engine_table(table)).order_by(literal_column("rowid"))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, values))
    )
    rows = 0
    with target.cursor() as cursor, cursor.copy(statement) as copy:
        for row in source.execute(str(rows_in_order.compile(dialect=sqlite.dialect()))):
            copy.write_row(row)
            rows += 1
    return rows


def copy_to_postgresql(path: Path, url: str, schema: str) -> dict[str, int]:
    """Copy a built SQLite store into a schema that the engine makes; return the number of rows by table.

    The schema must not hold anything yet.
    """
    import psycopg
    from psycopg import sql

    engine(POSTGRESQL_SCHEMA, url, schema)
    rows: dict[str, int] = {}
    source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        with psycopg.connect(url) as target:
            for table in COLUMNS:
                rows[table] = _copy(source, target, schema, table)
            for table in ("orchestrator_queue", "worker_queue"):  # messages are kept as jsonb prints them
                name = sql.Identifier(schema, table)
                target.execute(sql.SQL("UPDATE {} SET work_item = work_item::jsonb::text").format(name))
    finally:
        source.close()
    with psycopg.connect(url, autocommit=True) as target:
        for table in COLUMNS:
            target.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(schema, table)))
    return rows

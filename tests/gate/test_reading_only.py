"""The gate writes nothing, and refuses where it could not see."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from cli.helpers import UNDATED, Run, Sample
from holystone.duroxide.tables import metadata


def everything(store: Sample) -> list[str]:
    """Each row of each of the engine's tables as text, and the structure."""
    if store.schema is None:
        with closing(sqlite3.connect(store.target)) as connection:
            return list(connection.iterdump())
    with psycopg.connect(store.target, options=f"-csearch_path={store.schema}") as connection_:
        tables = connection_.execute(
            "SELECT c.relname, x.xmin::text FROM pg_class c, LATERAL (SELECT c.xmin) x "
            "WHERE relnamespace = %s::regnamespace ORDER BY 1",
            (store.schema,),
        ).fetchall()
        rows = [
            str(row)
            for table in sorted(metadata.tables)
            for row in connection_.execute(f"SELECT xmin::text, t::text FROM {table} t ORDER BY 2".encode())
        ]
        return [*map(str, tables), *rows]


def test_nothing_is_written(sound: Sample, run: Run) -> None:
    sound.execute(UNDATED)
    before = everything(sound)
    files = sorted(Path(sound.target).parent.iterdir()) if sound.schema is None else []
    content = Path(sound.target).read_bytes() if files else b""
    for words in ([], ["--against", "package:0.2.0"], ["--level", "deep", "--format", "json"]):
        run("gate", *sound.words, *words)
    if files:
        assert Path(sound.target).read_bytes() == content
        assert sorted(Path(sound.target).parent.iterdir()) == files
    assert everything(sound) == before


def test_a_role_that_may_only_read_is_enough(reader: Sample, run: Run) -> None:
    result = run("gate", *reader.words, "--against", "package:0.2.2")
    assert (result.status, result.err) == (0, ""), result.out


def test_what_may_not_be_read_makes_it_incomplete(
    reader: Sample, role: str, postgresql_store: Sample, run: Run
) -> None:
    for table, rules in {
        "history": {"G005", "G006", "G016"},
        "worker_queue": {"G005", "G006", "G016"},
        "_duroxide_migrations": set[str](),
    }.items():
        postgresql_store.execute(f"REVOKE ALL ON {table} FROM {role}")
        result = run("gate", *reader.words, "--against", "package:0.2.2", "--format", "json")
        assert result.status == 2
        assert f"permission denied for table {table}" in result.err
        if rules:
            assert result.json["verdict"] == "incomplete"
            assert {one["id"] for one in result.json["rules"] if one["outcome"] == "unseen"} >= rules
        postgresql_store.execute(f"GRANT SELECT ON {table} TO {role}")


def test_rows_that_are_hidden_make_it_incomplete(postgresql_database: Sample, run: Run, role: str) -> None:
    postgresql_database.execute(
        f"GRANT USAGE ON SCHEMA engine TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA engine TO {role}; "
        f"ALTER TABLE executions ENABLE ROW LEVEL SECURITY; "
        f"CREATE POLICY few ON executions TO {role} USING (instance_id <> 'order-3')"
    )
    hidden = postgresql_database.seen_by(role)
    result = run("gate", *hidden.words, "--against", "package:0.2.2")
    assert result.status == 2, result.out
    postgresql_database.execute(f"DROP OWNED BY {role}")

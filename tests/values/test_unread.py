"""Rows that cannot be read are named, and hide nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from cli.helpers import Run
from conftest import ENGINES, MakeStore
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import executions
from holystone.mend.apply import apply_plan
from holystone.mend.plan import make_plan
from holystone.migrate import upgrade
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Outcome, Verdict
from holystone.scan.scan import Scan
from holystone.store import Store

LONG = "".join(f"{number:x}" for number in range(40_000))
"""A text that is kept outside of its row."""


def written(scribe: Scribe) -> None:
    for instance_id in ("drifted", "first", "second", "third"):
        scribe.execution(instance_id, started(input=LONG), completed(LONG))
    scribe.change(executions, {"instance_id": "drifted"}, status="Running", output=None)


def scanned(store: Store) -> Scan:
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    found = [finding for finding in scan if finding.instance_id == "drifted"]
    assert {finding.check.id for finding in found} >= {"E001"}
    assert not [result for result in scan.results.values() if result.outcome is Outcome.failed]
    return scan


def unread(scan: Scan) -> set[object]:
    return {row.key["instance_id"] for result in scan.results.values() for row in result.unread}


def test_a_value_that_is_kept_elsewhere_and_gone(engine_store: MakeStore, run: Run) -> None:
    """PostgreSQL keeps long texts in a table of its own, of which a page may be lost."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    store = Store.open(made.target, made.schema)
    upgrade(store)
    with store.transaction() as connection:
        written(Scribe(connection, store.flavour))
    with psycopg.connect(made.target, autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")
        for table, column in (("history", "event_data"), ("executions", "output")):
            ((toast,),) = connection.execute(
                f"SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = '{made.schema}.{table}'::regclass"
            ).fetchall()
            chunk = f"SELECT pg_column_toast_chunk_id({column}) FROM {made.schema}.{table} WHERE instance_id = 'second'"
            # Its rows may be deleted only while it passes for a table like any other.
            kind = f"UPDATE pg_class SET relkind = '%s' WHERE oid = '{toast}'::regclass"
            connection.execute((kind % "r").encode())
            connection.execute(f"DELETE FROM {toast} WHERE chunk_id IN ({chunk})")
            connection.execute((kind % "t").encode())
    scan = scanned(store)
    assert unread(scan) == {"second"}
    assert scan.verdict is Verdict.incomplete
    said = run("check", made.target, "--schema", str(made.schema), "--level", "deep")
    assert said.status == 2
    assert "second: PostgreSQL could not do it (XX001)" in said.out
    assert "E001" in said.out
    planned = run("repair", "plan", made.target, "--schema", str(made.schema), "--level", "deep", "--format", "json")
    assert (planned.status, len(planned.json["changes"])) == (2, 1)
    assert {row["key"]["instance_id"] for row in planned.json["unread"]} == {"second"}
    assert "were not looked at, among them second" in planned.err
    assert "what is wrong there is not in this one" in planned.err
    report = apply_plan(store, make_plan(store, select_checks(Level.deep)))
    assert report.applied == 1
    assert report.left == 0
    applied = run("repair", "apply", made.target, "--schema", str(made.schema), "--level", "deep", "--yes")
    assert applied.status == 2
    assert "nothing to repair in what could be read" in applied.out


def test_a_page_of_a_table_that_is_damaged(engine_store: MakeStore) -> None:
    """SQLite stops a statement in its middle; the instances whose rows lie there are named."""
    made = engine_store(ENGINES[-1], "sqlite", ())
    with closing(Store.open(made.target)) as store:
        upgrade(store)
        with store.transaction() as connection:
            written(Scribe(connection, store.flavour))
    with closing(sqlite3.connect(made.target)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        ((size,),) = connection.execute("PRAGMA page_size")
        data = Path(made.target).read_bytes()
        # The event's text fills a chain of pages, of which each names the next; the last ones are of its middle.
        page = data.index(LONG[60_000:60_040].encode(), data.index(b'"instance_id":"second"')) // size
    with open(made.target, "r+b") as file:
        file.seek(page * size)
        file.write(b"\xff\xff\xff\xff")
    scan = scanned(Store.open(made.target, read_only=True))
    assert len(unread(scan)) == 1
    assert scan.verdict is Verdict.incomplete

"""What a role may not read is not called clean: the checks that need it fail, and the others go on."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from holystone.store.toolkit import versions

from .helpers import SCHEMA, STALE, Run, Sample

pytestmark = pytest.mark.slow


ENGINES_TABLES = (
    "_duroxide_migrations",
    "executions",
    "history",
    "instance_locks",
    "instances",
    "kv_delta",
    "kv_store",
    "orchestrator_queue",
    "sessions",
    "worker_queue",
)
SURVIVE = {"history": {"Q005"}, "executions": {"Q005"}, "instance_locks": {"E001", "H001"}, "sessions": {"E001"}}
"""Table -> checks that do without it."""


def tables(store: Sample) -> dict[str, list[str]]:
    """Return the tables of the store, with their columns."""
    with psycopg.connect(store.target) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2",
            (SCHEMA,),
        ).fetchall()
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def outcomes(report: Any) -> dict[str, str]:
    return {check["id"]: check["outcome"] for check in report["checks"]}


def test_tables_are_all_of_the_engines(postgresql_store: Sample) -> None:
    assert set(tables(postgresql_store)) == set(ENGINES_TABLES)


@pytest.mark.parametrize("table", ENGINES_TABLES)
def test_table_that_may_not_be_read_fails_what_needs_it(
    run: Run, postgresql_store: Sample, reader: Sample, role: str, table: str
) -> None:
    postgresql_store.execute(f"REVOKE ALL ON {table} FROM {role}")
    result = run("check", *reader.words, "--format", "json")
    assert result.status == 2, result.err
    assert f"permission denied for table {table}" in result.err
    if table != "_duroxide_migrations":  # without it the store is not even recognised
        found = outcomes(result.json)
        assert result.json["verdict"] == "incomplete"
        assert {id for id, outcome in found.items() if outcome == "clean"} >= SURVIVE.get(table, set())
        assert run("repair", "plan", *reader.words).status == 2


@pytest.mark.parametrize("column", ["history.event_data", "worker_queue.attempt_count", "instances.custom_status"])
def test_column_that_may_not_be_read_fails_what_needs_it(
    run: Run, postgresql_store: Sample, reader: Sample, role: str, column: str
) -> None:
    table, _, hidden = column.partition(".")
    others = ", ".join(one for one in tables(postgresql_store)[table] if one != hidden)
    postgresql_store.execute(f"REVOKE ALL ON {table} FROM {role}; GRANT SELECT ({others}) ON {table} TO {role}")
    result = run("check", *reader.words, "--level", "deep", "--format", "json")
    assert (result.status, result.json["verdict"]) == (2, "incomplete")
    assert {"clean", "failed"} <= set(outcomes(result.json).values())


def test_sequences_may_be_out_of_sight(run: Run, reader: Sample) -> None:
    """To read all tables is enough."""
    report = run("check", *reader.words, "--format", "json")
    assert (report.status, outcomes(report.json)["S007"]) == (0, "skipped")
    assert "S007 sequence-spent: skipped, The role has no permission" in run("check", *reader.words).out


def test_own_tables_may_be_out_of_sight(run: Run, postgresql_store: Sample, reader: Sample) -> None:
    """A role that was granted SELECT before holystone made them can still check the store."""
    assert run("migrate", "upgrade", *postgresql_store.words).status == 0
    report = run("check", *reader.words, "--format", "json")
    assert (report.status, outcomes(report.json)["S002"]) == (0, "skipped")
    assert versions.name in {check["id"]: check["reason"] for check in report.json["checks"]}["S002"]


@pytest.mark.parametrize("rows", ["all", "some"])
def test_rows_that_are_hidden_are_not_missing(
    run: Run,
    postgresql_store: Sample,
    reader: Sample,
    rows: str,
) -> None:
    policy = "" if rows == "all" else "CREATE POLICY partly ON history FOR SELECT USING (instance_id = 'order-1');"
    postgresql_store.execute(f"ALTER TABLE history ENABLE ROW LEVEL SECURITY; {policy}")
    try:
        result = run("check", *reader.words, "--format", "json")
        planned = run("repair", "plan", *reader.words)
    finally:
        postgresql_store.execute(
            "DROP POLICY IF EXISTS partly ON history; ALTER TABLE history DISABLE ROW LEVEL SECURITY"
        )
    assert result.out, result.err
    assert (result.status, result.json["verdict"], planned.status) == (2, "incomplete", 2)
    assert {finding["check"] for finding in result.json["findings"]} <= {"S003"}  # which tells of the policy itself
    assert "row" in result.err
    assert "security" in result.err


def test_findings_elsewhere_are_still_told(run: Run, postgresql_store: Sample, reader: Sample, role: str) -> None:
    postgresql_store.execute(STALE + f"REVOKE ALL ON worker_queue FROM {role}")
    result = run("check", *reader.words, "--format", "json")
    assert result.out, result.err
    report = result.json
    assert report["verdict"] == "incomplete"
    assert "E001" in {finding["check"] for finding in report["findings"]}

"""States that a check can catch a busy database in, and ways to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from cli.helpers import Run

from .conftest import Restore
from .ground import ENGINE, Database

LATE = "ea38297d"
"""The instance of g2_start_cancel that the engine has cancelled, and df.instances says runs."""


def found(run: Run, database: Database, *words: str) -> set[tuple[str, str]]:
    checked = run("check", database.url, "--format", "json", *words).json
    return {(one["check"], one["instance_id"]) for one in checked["findings"]}


@pytest.mark.parametrize("savepoint", [False, True], ids=["transaction", "subtransaction"])
def test_cancelling_transaction_that_is_open(run: Run, restore: Restore, savepoint: bool) -> None:
    database = restore("g2_start_cancel")
    with psycopg.connect(database.url) as other:
        if savepoint:
            other.execute("SAVEPOINT one")
        other.execute("UPDATE df.instances SET status = 'cancelled' WHERE id = %s", [LATE])
        assert ("D001", LATE) not in found(run, database)
        other.rollback()
    assert ("D001", LATE) in found(run, database)


def test_end_that_is_young(run: Run, restore: Restore) -> None:
    checks = {check for check, _ in found(run, restore("g2_start_cancel"), "--race-window", "3000000000")}
    assert checks == set()


def test_row_that_somebody_holds_is_left(run: Run, restore: Restore) -> None:
    database = restore("g2_start_cancel")
    plan = run("repair", "plan", database.url, "--format", "json")
    assert len(plan.json["changes"]) == 3
    with psycopg.connect(database.url) as other:
        other.execute("SELECT 1 FROM df.instances WHERE id = %s FOR SHARE", [LATE])
        applied = run("repair", "apply", database.url, "--yes", "--format", "json")
        other.rollback()
    assert (applied.status, applied.json["applied"], applied.json["left"]) == (0, 2, 0)
    assert ("D001", LATE) in found(run, database)


def test_one_instance(run: Run, restore: Restore) -> None:
    database = restore("g2_start_cancel")
    assert found(run, database, "--instance", "ea38*") == {("D001", LATE)}
    database.execute(f"DELETE FROM {ENGINE}.history WHERE instance_id = 'ae607601'")
    for table in ("executions", "instances"):
        database.execute(f"DELETE FROM {ENGINE}.{table} WHERE instance_id = 'ae607601'")
    assert run("check", database.url, "--instance", "ae607601", "--fail-on", "never").status == 0


def test_looked_at_whole_under_since(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    assert run("migrate", "upgrade", database.url).status == 0
    assert run("check", database.url, "--since", "last").status == 0
    database.execute("UPDATE df.instances SET status = 'running', completed_at = NULL WHERE id = 'a44d8284'")
    assert found(run, database, "--since", "last") == {("D001", "a44d8284")}


def test_exit_status_goes_by_the_finding(run: Run, restore: Restore, tmp_path: Path) -> None:
    database = restore("g2_start_cancel")
    left = ("check", database.url, "--ignore", "D001")
    assert run(*left).status == 0
    assert run(*left, "--fail-on", "info").status == 1
    assert run(*left, "--fail-on", "warning").status == 0
    policy = tmp_path / "policy.toml"
    policy.write_text('[checks.D004]\nseverity = "error"\n')
    assert run(*left, "--config", str(policy)).status == 1


def test_engine_alone_where_its_schema_is_not_pg_durables(run: Run, restore: Restore) -> None:
    database = restore("g2_start_cancel")
    database.execute(f"ALTER SCHEMA {ENGINE} RENAME TO other")
    checked = run("check", database.url, "--schema", "other", "--format", "json", "--level", "standard")
    outcomes = {one["id"]: one["reason"] for one in checked.json["checks"] if one["outcome"] == "skipped"}
    assert outcomes["D001"] == "pg_durable runs on the store in the schema '_duroxide'"


def test_nothing_is_asked_of_a_store_without_pg_durable(run: Run, restore: Restore) -> None:
    """Where there is no schema df, the one statement that reads the columns of a store names it, and no other."""
    database = restore("engine")
    asked: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def listen(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    try:
        checked = run("check", database.url, "--schema", ENGINE, "--format", "json", "--jobs", "1")
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    skipped = {one["id"]: one["reason"] for one in checked.json["checks"] if one["outcome"] == "skipped"}
    assert {id for id in skipped if id.startswith("D")} == {f"D{number:03}" for number in range(1, 11) if number != 9}
    assert skipped["D001"] == "there is no pg_durable in this database"
    assert [one for one in asked if "df" in one or "duroxide_schema" in one] == []

"""What the role or the system keeps from being seen makes a check incomplete, and no repair acts on the rest."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from holystone.duroxide.tables import OF_INSTANCES, executions

from .helpers import SCHEMA, STALE, Run, Sample

SOME_ROWS = "instance_id LIKE 'order%'"


@pytest.fixture
def policy(postgresql_store: Sample) -> Iterator[Sample]:
    """A store whose tables have no row security after the test."""
    yield postgresql_store
    for table in OF_INSTANCES:
        postgresql_store.execute(
            f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;"
            f"DROP POLICY IF EXISTS some_rows ON {table.name};"
        )


@pytest.mark.parametrize("condition", [None, SOME_ROWS, "true"], ids=["nothing", "some", "all"])
@pytest.mark.parametrize("table", [table.name for table in OF_INSTANCES])
def test_rows_behind_row_security_are_not_taken_for_lost(
    run: Run, policy: Sample, reader: Sample, table: str, condition: str | None
) -> None:
    """Even where the role would see all rows: a policy may hide the next one."""
    policy.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    if condition is not None:
        policy.execute(f"CREATE POLICY some_rows ON {table} USING ({condition})")
    said = run("check", *reader.words, "--level", "deep", "--format", "json")
    assert said.status == 2
    assert said.json["verdict"] == "incomplete"
    assert {finding["check"] for finding in said.json["findings"]} == {"S003"}  # which tells of the policy itself
    assert f'row-level security policy for table "{table}"' in said.err
    assert "Rows may be hidden from the role" in said.err
    planned = run("repair", "plan", *reader.words)
    assert planned.status == 2
    assert "row-level security" in planned.err


def test_no_repair_acts_on_what_row_security_leaves(run: Run, policy: Sample, reader: Sample, role: str) -> None:
    policy.execute(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}")
    policy.execute("ALTER TABLE history ENABLE ROW LEVEL SECURITY")
    before = policy.rows(select(executions))
    said = run("repair", "apply", *reader.words, "--select", "E001", "--yes")
    assert (said.status, "row-level security" in said.err) == (2, True)
    assert policy.rows(select(executions)) == before


def test_no_watermark_is_recorded_over_what_was_hidden(run: Run, policy: Sample, reader: Sample, role: str) -> None:
    assert run("migrate", "upgrade", *policy.words).status == 0
    policy.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}")
    policy.execute("ALTER TABLE history ENABLE ROW LEVEL SECURITY")
    for _ in range(2):
        said = run("check", *reader.words, "--since", "last", "--format", "json")
        assert (said.status, "row-level security" in said.err) == (2, True)
        assert "watermark" not in said.err
    policy.execute("ALTER TABLE history DISABLE ROW LEVEL SECURITY")
    seen = run("check", *reader.words, "--since", "last", "--format", "json").json["coverage"]
    assert seen["why_all"] == "these checks have no watermark yet"


def test_an_owner_under_forced_row_security_sees_all_or_is_told(run: Run, policy: Sample) -> None:
    """The role of the tests is a superuser, whom no policy binds."""
    policy.execute("ALTER TABLE history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    found = run("check", *policy.words, "--format", "json").json
    assert (found["verdict"], {finding["check"] for finding in found["findings"]}) == ("drift", {"S003"})


@pytest.mark.parametrize("link", [os.symlink, None], ids=["linked", "named"])
def test_what_lies_in_the_wal_of_a_linked_file_is_seen(
    run: Run, sqlite_store: Sample, tmp_path: Path, link: object
) -> None:
    """The engine's last writes lie beside the file itself, not beside a link to it."""
    real = Path(sqlite_store.target)
    name = tmp_path / "link.db"
    os.symlink(real, name)
    target = str(name if link is not None else real)
    kept = sqlite3.connect(real, isolation_level=None)
    with closing(kept):
        kept.execute("PRAGMA journal_mode = WAL")
        kept.execute("PRAGMA wal_autocheckpoint = 0")
        kept.executescript(STALE)
        shutil.copy(f"{real}-wal", tmp_path / "kept-wal")
        said = run("check", target, "--select", "E001")
    assert (said.status, "E001" in said.out) == (1, True)
    applied = run("repair", "apply", target, "--yes")
    assert applied.status == 0
    assert run("check", str(real)).status == 0
    assert not name.with_name("link.db-wal").exists()

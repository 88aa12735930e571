"""What the system or the server does not allow, and what another process holds."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from holystone.flavours.sqlite import connector

from .helpers import SCHEMA, STALE, Run, Sample, assert_refused, contents, holystone

pytestmark = pytest.mark.long

READING = (["check"], ["repair", "plan"], ["repair", "log"], ["migrate", "status"])
WRITING = (["repair", "apply", "--yes"], ["migrate", "upgrade"], ["migrate", "adopt"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "_LOCK_WAIT_SECONDS", 0.05)


@pytest.fixture(params=["WAL", "DELETE"])
def store(request: pytest.FixtureRequest, sqlite_store: Sample) -> Iterator[Sample]:
    """A drifted store in a folder of its own, in either journal mode."""
    sqlite_store.execute(STALE + f"PRAGMA journal_mode = {request.param}")
    yield sqlite_store
    os.chmod(Path(sqlite_store.target).parent, 0o755)


@pytest.mark.parametrize("command", [["check"], ["repair", "apply", "--yes"]], ids=" ".join)
def test_a_file_that_may_not_be_read_is_named(sqlite_store: Sample, command: list[str]) -> None:
    os.chmod(sqlite_store.target, 0)
    result = holystone(*command, sqlite_store.target, unprivileged=True)
    assert_refused(result, "store.db cannot be read: permission denied", "as a user who may read the file")


def test_a_folder_that_may_not_be_entered_is_named(sqlite_store: Sample) -> None:
    folder = Path(sqlite_store.target).parent
    os.chmod(folder, 0)
    result = holystone("check", sqlite_store.target, unprivileged=True)
    os.chmod(folder, 0o755)
    assert_refused(result, "cannot be reached: permission denied")


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_file_that_may_only_be_read_is_not_repaired(store: Sample, command: list[str]) -> None:
    os.chmod(store.target, 0o444)
    before = contents(Path(store.target).parent)
    result = holystone(*command, store.target, *unshown(command), unprivileged=True)
    assert_refused(result, "cannot be written to", "as a user who may write the file and its folder")
    assert contents(Path(store.target).parent) == before


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_file_in_a_folder_that_may_only_be_read_is_not_repaired(store: Sample, command: list[str]) -> None:
    folder = Path(store.target).parent
    before = contents(folder)
    os.chmod(folder, 0o555)
    result = holystone(*command, store.target, *unshown(command), unprivileged=True)
    assert_refused(result, "cannot be written to", "who may write the file and its folder")
    assert contents(folder) == before


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("command", [*READING, *WRITING], ids=" ".join)
def test_a_locked_store_is_said_to_be_locked(run: Run, sqlite_store: Sample, command: list[str]) -> None:
    sqlite_store.execute("PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(sqlite_store.target, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = run(*command, sqlite_store.target)
    assert_refused(result, "is locked by another process", "when that process is done")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("command", [["repair", "apply", "--yes", "--format", "json"], ["migrate", "upgrade"]])
def test_a_writer_keeps_other_writers_out(run: Run, sqlite_store: Sample, journal: str, command: list[str]) -> None:
    sqlite_store.execute(STALE + f"PRAGMA journal_mode = {journal}")
    with closing(sqlite3.connect(sqlite_store.target, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = contents(Path(sqlite_store.target).parent)
        result = run(*command, sqlite_store.target)
        assert contents(Path(sqlite_store.target).parent) == before
    assert_refused(result, "is locked by another process")


@pytest.mark.parametrize("command", [*READING, *WRITING], ids=" ".join)
@pytest.mark.parametrize("grant", ["", f"GRANT USAGE ON SCHEMA {SCHEMA} TO {{role}}"], ids=["nothing", "usage"])
def test_a_role_that_may_not_read_is_told_what_it_lacks(
    run: Run, postgresql_store: Sample, role: str, grant: str, command: list[str]
) -> None:
    if grant:
        postgresql_store.execute(grant.format(role=role))
    result = run(*command, *postgresql_store.seen_by(role).words)
    assert_refused(result, "The role has no permission: permission denied", "Grant the role USAGE on the schema")
    assert "secret" not in result.err


def test_a_table_that_may_not_be_read_makes_the_check_incomplete(
    run: Run, postgresql_store: Sample, reader: Sample, role: str
) -> None:
    postgresql_store.execute(f"REVOKE ALL ON history FROM {role}")
    result = run("check", *reader.words, "--format", "json")
    assert result.status == 2
    assert "permission denied for table history" in result.err
    assert result.json["verdict"] == "incomplete"
    assert {check["outcome"] for check in result.json["checks"] if check["id"] == "E001"} == {"failed"}


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_role_that_may_only_read_repairs_nothing(
    run: Run, postgresql_store: Sample, reader: Sample, command: list[str]
) -> None:
    postgresql_store.execute(STALE)
    result = run(*command, *reader.words, *unshown(command))
    assert_refused(result, "The role has no permission: permission denied")


def unshown(command: list[str]) -> list[str]:
    """Words that keep the plan off stdout: as text it is shown before anything is tried."""
    return ["--format", "json"] if "apply" in command else []

"""`migrate downgrade` asks, names what it takes back, and loses nothing; `migrate status` says where a store stands."""

from __future__ import annotations

import os
import pty
import subprocess
import time

import pytest

from holystone.store.toolkit import REVISIONS

from .helpers import COMMAND, STALE, Run, Sample, assert_refused, clean_environment, commands_in, split

ALL = list(REVISIONS)


@pytest.fixture
def upgraded(run: Run, healthy: Sample) -> Sample:
    """A store with holystone's own tables."""
    assert run("migrate", "upgrade", *healthy.words).status == 0
    return healthy


def revision(run: Run, store: Sample) -> str | None:
    found: str | None = run("migrate", "status", *store.words, "--format", "json").json["toolkit_revision"]
    return found


def test_a_downgrade_says_what_it_takes_back(run: Run, upgraded: Sample) -> None:
    result = run("migrate", "downgrade", *upgraded.words, "t0001", "--yes")
    assert (result.status, result.out) == (0, f"Took back {', '.join(ALL[:0:-1])}.\n")
    assert [line.split("  ")[0] for line in result.err.splitlines()] == ALL[:0:-1]
    assert all(line.endswith(".") for line in result.err.splitlines())
    again = run("migrate", "downgrade", *upgraded.words, "t0001", "--yes")
    assert again.out == "Nothing to do: the store is at t0001, or below.\n"
    assert run("migrate", "downgrade", *upgraded.words, "toolkit@base", "--yes").out == "Took back t0001.\n"
    assert revision(run, upgraded) is None
    assert run("migrate", "downgrade", *upgraded.words, "toolkit@base", "--yes").status == 0


def test_nobody_to_ask_is_a_usage_error(run: Run, upgraded: Sample) -> None:
    assert_refused(run("migrate", "downgrade", *upgraded.words, "t0001"), "There is nobody to ask; say --yes.")
    assert_refused(run("migrate", "downgrade", *upgraded.words), "Missing argument 'REVISION'")
    assert revision(run, upgraded) == ALL[-1]


def answered(store: Sample, answer: str) -> tuple[int, str]:
    """Return how a downgrade ended that was answered from a terminal, and what it said."""
    master, slave = pty.openpty()
    words = [*COMMAND, "migrate", "downgrade", *store.words, "t0001"]
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=clean_environment())
    os.close(slave)
    said = b""
    while b"[y/N]" not in said and process.poll() is None:
        said += os.read(master, 4096)
    os.write(master, f"{answer}\n".encode())
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.close(master)
    return process.wait(timeout=1), said.decode()


def test_it_asks_on_a_terminal(run: Run, upgraded: Sample) -> None:
    status, said = answered(upgraded, "n")
    assert status == 2
    assert "Take these back? [y/N]" in said
    assert revision(run, upgraded) == ALL[-1]
    assert answered(upgraded, "y")[0] == 0
    assert revision(run, upgraded) == "t0001"


def test_the_target_may_come_from_the_environment(run: Run, upgraded: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLYSTONE_TARGET", upgraded.target)
    if upgraded.schema is not None:
        monkeypatch.setenv("HOLYSTONE_SCHEMA", upgraded.schema)
    assert run("migrate", "downgrade", "t0002", "--yes").out == f"Took back {', '.join(ALL[:1:-1])}.\n"
    assert run("migrate", "sql").out.startswith("-- To be run with: ")
    assert run("migrate", "adopt").status == 0
    assert run("migrate", "status").status == 0


def test_a_journal_is_never_lost(run: Run, upgraded: Sample) -> None:
    upgraded.execute(STALE)
    assert run("repair", "apply", *upgraded.words, "--yes").status == 0
    refused = run("migrate", "downgrade", *upgraded.words, "toolkit@base", "--yes")
    assert refused.status == 2
    assert "lose 1 row of holystone_changes, 1 row of holystone_runs." in refused.err
    assert "Next: " in refused.err
    # Nothing has been taken back, not even what would lose nothing.
    assert revision(run, upgraded) == ALL[-1]
    assert run("repair", "log", *upgraded.words, "--format", "json").json


@pytest.mark.parametrize("name", ["t9999", "nonsense", "t0001x", "-1", "base"])
def test_a_revision_that_is_none_is_refused(run: Run, upgraded: Sample, name: str) -> None:
    assert_refused(run("migrate", "downgrade", *upgraded.words, "--yes", "--", name))
    assert_refused(run("migrate", "upgrade", *upgraded.words, "--to", name))
    assert_refused(run("migrate", "sql", *upgraded.words, "--to", name))
    assert revision(run, upgraded) == ALL[-1]


def test_what_status_tells_to_do_next_does_it(run: Run, healthy: Sample) -> None:
    said = run("migrate", "status", *healthy.words).out
    assert said.splitlines()[0].startswith("shape              migrated (engine migration ")
    (command,) = commands_in(said)
    assert run(*split(command)).status == 0
    assert not commands_in(run("migrate", "status", *healthy.words).out)


def test_status_with_check_exits_with_1_where_a_revision_should_be_run(run: Run, breakable: Sample) -> None:
    check = ("migrate", "status", *breakable.words, "--check")
    # Nobody has upgraded the store, and a repair makes the journal alone.
    assert run(*check).status == 0
    run("migrate", "upgrade", *breakable.words, "--to", "t0001")
    assert run(*check).status == 0
    run("migrate", "upgrade", *breakable.words, "--to", ALL[-2])
    result = run(*check)
    assert (result.status, result.err) == (1, "")
    assert f"pending            {ALL[-1]}" in result.out
    run("migrate", "upgrade", *breakable.words)
    assert run(*check).status == 0
    breakable.execute("DROP INDEX holystone_executions_status")
    assert run(*check).status == 1
    assert run("migrate", "status", *breakable.words).status == 0


def test_status_says_what_each_revision_does(run: Run, healthy: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    run("migrate", "upgrade", *healthy.words, "--to", "t0002")
    found = run("migrate", "status", *healthy.words, "--format", "json").json
    assert [one["id"] for one in found["revisions"]] == ALL
    assert [one["id"] for one in found["revisions"] if one["state"] == "pending"] == found["pending"] == ALL[2:]
    assert found["revisions"][0]["description"] == "Create the journal of repairs."
    for columns in ("50", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        said = run("migrate", "status", *healthy.words).out
        assert "  t0001  applied  Create the journal of repairs.\n" in said
        assert "  t0003  pending  Record as which shape" in said
        whole = " ".join(said.split())
        assert all(one["description"] in whole for one in found["revisions"])
        assert all(len(line) <= int(columns) for line in said.splitlines() if line.startswith("  "))


def test_status_says_what_is_unlike_the_engines(run: Run, breakable: Sample) -> None:
    breakable.execute("DROP INDEX idx_orch_lock; CREATE TABLE reports (id INTEGER)")
    result = run("migrate", "status", *breakable.words)
    assert result.status == 0
    assert "shape              unknown, nearest to migrated (engine migration " in result.out
    assert "Unlike it, it lacks the index idx_orch_lock on orchestrator_queue (lock_token)" in result.out
    assert "Beside the engine's: table reports" in result.out
    # To bring holystone's own tables up is not what comes next.
    assert commands_in(result.out) == ["explain S001"]
    shape = run("migrate", "status", *breakable.words, "--format", "json").json["shape"]
    assert shape["known"] is False
    assert len(shape["differences"]) == 1


def test_a_role_that_owns_nothing_can_repair_but_not_index(
    run: Run, postgresql_store: Sample, role: str, reader: Sample
) -> None:
    postgresql_store.execute(f"{STALE} GRANT CREATE ON SCHEMA engine TO {role};")
    postgresql_store.execute(f"GRANT UPDATE, INSERT, DELETE ON ALL TABLES IN SCHEMA engine TO {role}")
    assert run("repair", "apply", *reader.words, "--yes").status == 0
    refused = run("migrate", "upgrade", *reader.words)
    assert_refused(refused, "must be owner of table executions", "as the role that owns the engine's tables")
    postgresql_store.execute(f"REASSIGN OWNED BY {role} TO postgres")
    assert run("migrate", "upgrade", *postgresql_store.words).out == f"Ran {', '.join(ALL[1:])}.\n"

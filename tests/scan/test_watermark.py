"""A check with a watermark looks at what the engine has written since, and misses nothing of it."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.errors import HolystoneError
from holystone.migrate import upgrade
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.scan.watermark import Coverage, cover
from holystone.scan.watermarks import watermarks_of
from holystone.store import Store

SCENARIOS = ["completed", "chains", "parents", "waiting", "timers", "key-values", "deleted"]
CHECKS = select_checks(Level.standard)


Rows = set[tuple[Any, ...]]


def rows(made: EngineStore) -> Rows:
    """Every row of the tables that acks write to; the instance is the first column of each."""
    tables = ("instances", "executions", "history", "kv_store", "kv_delta")
    return {(row[0], table, *row) for table in tables for row in made.execute(f"SELECT * FROM {table}")}


@pytest.fixture
def made(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    store = engine_store(ENGINES[-1], flavour, SCENARIOS)
    upgrade(Store.open(store.target, store.schema))
    return store


def opened(made: EngineStore) -> Store:
    return Store.open(made.target, made.schema)


def covered(made: EngineStore, **more: Any) -> Coverage:
    store = opened(made)
    return cover(store, watermarks_of(store), Level.standard, CHECKS, **more)


def record(store: Store, coverage: Coverage) -> None:
    watermarks_of(store).keep(coverage)


def test_everything_that_the_engine_wrote_is_looked_at(made: EngineStore) -> None:
    first = covered(made)
    assert (first.instances, first.why_all) == (None, "these checks have no watermark yet")
    record(opened(made), first)
    assert covered(made).instances in ([], ["nothing"])

    before = rows(made)
    waiting = next(name for name, expected in made.expected.items() if expected["live"])
    made.run("raise-event", waiting, "go", json.dumps({"n": 1}))
    for number, name in enumerate(("Work", "Chain", "Parent", "Keys")):
        made.run("start", f"new-{number}", name, "3")
    made.run("run", "--seconds", "2")
    changed = {row[0] for row in rows(made) - before}
    assert waiting in changed
    assert len(changed) > 4
    assert set(covered(made).instances or ()) >= changed
    assert len(covered(made).instances or ()) < len({row[0] for row in before})


@pytest.mark.long
def test_drift_in_what_the_engine_wrote_is_found_and_holds_the_mark(made: EngineStore) -> None:
    record(opened(made), covered(made))
    made.run("start", "late", "Work", "3")
    made.run("run", "--seconds", "1.5")
    # As the version of the engine that never updated the status.
    made.execute(
        "UPDATE executions SET status = 'Running', completed_at = NULL, output = NULL WHERE instance_id = 'late'"
    )
    scan = Scan(opened(made), CHECKS, coverage=covered(made))
    assert {finding.instance_id for finding in scan} == {"late"}
    assert scan.scanned["instances"] < 5
    assert "late" in (covered(made).instances or ())


def test_older_rows_are_left_to_a_look_at_all(made: EngineStore, flavour: Flavour) -> None:
    record(opened(made), covered(made))
    old = next(name for name, expected in made.expected.items() if not expected["live"])
    made.execute("UPDATE executions SET status = 'Running' WHERE instance_id = ?", old)
    found = {finding.instance_id for finding in Scan(opened(made), CHECKS, coverage=covered(made))}
    # PostgreSQL sees who wrote a row last, SQLite only what came anew.
    assert found == ({old} if flavour == "postgresql" else set())
    everything = covered(made, afresh=True)
    assert everything.why_all == "as asked"
    assert {finding.instance_id for finding in Scan(opened(made), CHECKS, coverage=everything)} == {old}


def test_full_look_is_dated(made: EngineStore) -> None:
    first = covered(made)
    record(opened(made), first)
    again = covered(made)
    assert again.full_at_ms == first.begun_ms < again.begun_ms
    assert again.full_is_due(0)
    assert not again.full_is_due(86_400)
    record(opened(made), again)
    assert covered(made).full_at_ms == first.begun_ms
    assert covered(made, afresh=True).full_at_ms > again.begun_ms


def test_other_checks_have_a_mark_of_their_own(made: EngineStore) -> None:
    record(opened(made), covered(made))
    store = opened(made)
    kept = watermarks_of(store)
    assert cover(store, kept, Level.deep, CHECKS).why_all == "these checks have no watermark yet"
    assert cover(store, kept, Level.standard, CHECKS[:-1]).why_all == "these checks have no watermark yet"


@pytest.fixture
def apart(
    engine_store: MakeStore, flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[EngineStore, Path]:
    """A store without holystone's tables, and the folder in which its watermarks are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return engine_store(ENGINES[-1], flavour, SCENARIOS), tmp_path / "state" / "holystone" / "watermarks"


def test_a_file_has_the_mark_of_a_store_that_nobody_has_written_to(apart: tuple[EngineStore, Path]) -> None:
    made, folder = apart
    first = covered(made)
    record(opened(made), first)
    [file] = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert covered(made).instances in ([], ["nothing"])
    assert covered(made).since_ms == first.begun_ms
    assert watermarks_of(opened(made)).outside
    made.run("start", "late", "Work", "3")
    made.run("run", "--seconds", "1.5")
    assert "late" in (covered(made).instances or ())
    upgrade(opened(made))
    assert not watermarks_of(opened(made)).outside
    assert covered(made).why_all == "these checks have no watermark yet"


@pytest.mark.parametrize("altered", ["", "{}", "\n\n", '0\n{"x": 1}\n', "[" * 100_000], ids=range(5))
def test_a_file_that_was_altered_counts_for_nothing(apart: tuple[EngineStore, Path], altered: str) -> None:
    made, folder = apart
    record(opened(made), covered(made))
    [file] = folder.iterdir()
    file.write_text(altered)
    assert covered(made).why_all == "these checks have no watermark yet"
    record(opened(made), covered(made))
    assert covered(made).instances is not None


def test_a_file_that_cannot_be_written_is_told_of(
    apart: tuple[EngineStore, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = apart
    (tmp_path / "in the way").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "in the way"))
    with pytest.raises(HolystoneError, match="cannot be kept in"):
        record(opened(made), covered(made))


@pytest.mark.parametrize("flavour", ["sqlite"])
def test_an_older_copy_in_its_place_is_looked_at_whole(apart: tuple[EngineStore, Path], tmp_path: Path) -> None:
    made, _ = apart
    made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy(made.target, tmp_path / "older.db")
    made.run("start", "late", "Work", "3")
    made.run("run", "--seconds", "1.5")
    record(opened(made), covered(made))
    assert covered(made).instances is not None
    made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy(tmp_path / "older.db", made.target)
    assert covered(made).why_all is not None


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_a_role_that_may_not_write_has_its_marks_in_a_file(made: EngineStore, apart: tuple[EngineStore, Path]) -> None:
    with psycopg.connect(made.target, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{made.schema}_reader" LOGIN'.encode())
        connection.execute(f'GRANT USAGE ON SCHEMA "{made.schema}" TO "{made.schema}_reader"'.encode())
        connection.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{made.schema}" TO "{made.schema}_reader"'.encode())
        try:
            url = make_url(made.target).set(username=f"{made.schema}_reader").render_as_string(hide_password=False)
            store = Store.open(url, made.schema, read_only=True)
            assert watermarks_of(store).outside
            assert not watermarks_of(opened(made)).outside
            coverage = cover(store, watermarks_of(store), Level.standard, CHECKS)
            watermarks_of(store).keep(coverage)
            assert cover(store, watermarks_of(store), Level.standard, CHECKS).instances is not None
        finally:
            connection.execute(f'DROP OWNED BY "{made.schema}_reader"; DROP ROLE "{made.schema}_reader"'.encode())


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_transaction_that_was_under_way_is_not_missed(made: EngineStore) -> None:
    with psycopg.connect(made.target, options=f"-csearch_path={made.schema}") as writing:
        one = next(iter(made.expected))
        writing.execute("UPDATE instances SET updated_at = updated_at WHERE instance_id = %s", [one])
        record(opened(made), covered(made))
        assert covered(made).instances is not None
        writing.commit()
    assert one in (covered(made).instances or ())


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_tables_made_anew_are_looked_at_whole(made: EngineStore) -> None:
    record(opened(made), covered(made))
    made.execute("ALTER TABLE instances RENAME TO older")
    made.execute("CREATE TABLE instances (LIKE older INCLUDING ALL)")
    made.execute("INSERT INTO instances SELECT * FROM older")
    assert covered(made).why_all == "the tables have been made anew, as from a dump"


@pytest.mark.long
@pytest.mark.parametrize("flavour", ["sqlite"])
class TestNumbersOfRows:
    """SQLite gives the numbers of deleted rows at the end of a table to new ones."""

    def test_last_rows_may_be_deleted(self, made: EngineStore) -> None:
        made.run("start", "gone", "Work", "3")
        made.run("run", "--seconds", "1.5")
        record(opened(made), covered(made))
        for table in ("history", "executions", "instances", "kv_store"):
            made.execute(f"DELETE FROM {table} WHERE instance_id = 'gone'")
        made.run("start", "new", "Work", "3")
        made.run("run", "--seconds", "1.5")
        assert "new" in (covered(made).instances or ())

    def test_nothing_left_to_go_by(self, made: EngineStore) -> None:
        record(opened(made), covered(made))
        made.execute("DELETE FROM history")
        made.run("start", "new", "Work", "3")
        made.run("run", "--seconds", "1.5")
        assert covered(made).why_all == "none of the rows that stood at the end of history is there any more"

    def test_vacuum_keeps_the_order(self, made: EngineStore) -> None:
        made.execute("DELETE FROM history WHERE rowid % 7 = 3")
        record(opened(made), covered(made))
        made.execute("VACUUM")
        made.run("start", "new", "Work", "3")
        made.run("run", "--seconds", "1.5")
        coverage = covered(made)
        assert coverage.instances is None or "new" in coverage.instances


@pytest.mark.long
def test_empty_store(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    upgrade(opened(made))
    record(opened(made), covered(made))
    assert covered(made).instances == []
    made.run("start", "new", "Work", "3")
    made.run("run", "--seconds", "1.5")
    assert covered(made).instances == ["new"]


@pytest.mark.long
def test_mark_is_kept_by_a_clean_check_alone(made: EngineStore, capsys: pytest.CaptureFixture[str]) -> None:
    from holystone.cli.main import run

    def check(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = run(["check", *made.arguments, "--since", "last", "--format", "json", *words])
        return status, json.loads(capsys.readouterr().out)

    status, report = check()
    assert (status, report["coverage"]["why_all"]) == (0, "these checks have no watermark yet")
    status, report = check()
    assert (status, report["coverage"]["why_all"], report["verdict"]) == (0, None, "clean")
    verified = report["coverage"]["verified_up_to"]
    made.run("start", "late", "Work", "3")
    made.run("run", "--seconds", "1.5")
    made.execute("UPDATE executions SET status = 'Failed' WHERE instance_id = 'late'")
    for _ in range(2):
        status, report = check()
        assert (status, report["verdict"]) == (1, "drift")
        assert (report["coverage"]["since"], report["coverage"]["verified_up_to"]) == (verified, None)
    refused = run(["check", *made.arguments, "--since", "last", "--instance", "a*"])
    assert refused == 2

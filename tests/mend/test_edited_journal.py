"""A journal that somebody edited by hand: each edit is told by name, and what was edited is not undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from catalogue.conftest import Prepare
from cli.helpers import Run, assert_refused
from conftest import ENGINES, FLAVOURS, SQLITE_AND_LONG_POSTGRESQL, MakeStore
from contents import contents, rows
from ground import Ground
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import executions
from holystone.errors import HolystoneError
from holystone.mend.apply import Application, apply_plan, new_run
from holystone.mend.journal import has_digests
from holystone.mend.plan import make_plan
from holystone.mend.runs import read_run, read_runs
from holystone.mend.undo import undo_run
from holystone.migrate import downgrade, upgrade
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.store import Store
from holystone.store.toolkit import changes, runs

pytestmark = pytest.mark.slow


PLACES = 4
OURS = ("holystone_runs", "holystone_changes")


@dataclass(frozen=True)
class Journal:
    """A store with a run, its undo, and a second run; all changes of each are of the same kind."""

    ground: Ground
    first: str
    undo: str
    second: str


def drifted(scribe: Scribe) -> None:
    for number in range(PLACES):
        scribe.execution(f"order-{number}", started(), completed(f'"{number}"'))
        key = {"instance_id": f"order-{number}", "execution_id": 1}
        scribe.change(executions, key, status="Running", output=None)


def applied(store: Store) -> str:
    report = apply_plan(store, make_plan(store, select_checks(Level.deep)))
    assert (report.applied, report.left) == (PLACES, 0)
    return str(report.run)


@pytest.fixture(params=FLAVOURS)
def journal(request: pytest.FixtureRequest, prepare: Prepare) -> Journal:
    ground = prepare(request.param, drifted)
    first = applied(ground.store)
    undo = undo_run(ground.store, read_run(ground.store, first))
    assert (undo.applied, undo.left) == (PLACES, 0)
    return Journal(ground, first, str(undo.run), applied(ground.store))


Edit = tuple[str, str, str]
"""What somebody does, as SQL with the names of the runs; which run is told to be altered; and how."""

OTHERS = {
    "number": "17",
    "kind": "'undo'",
    "undoes": "'other'",
    "started_at_ms": "1",
    "finished_at_ms": "1",
    "made_at_ms": "1",
    "change_count": "3",
    "safety": "'unsafe'",
    "row_key": """'{"execution_id": 1, "instance_id": "order-9"}'""",
    "before_image": """'{"status": "Failed"}'""",
    "after_image": """'{"status": "Failed"}'""",
    "evidence": "'{}'",
    "undone_by": "'other'",
}


def run_edits() -> list[Edit]:
    """Each column of a run's row is given another value, and none."""
    names = [column.name for column in runs.c if column.name != "run_id"]
    values = [(name, OTHERS.get(name, "'other'")) for name in names]
    values += [("finished_at_ms", "NULL"), ("plan", "NULL"), ("change_count", "5"), ("change_count", "NULL")]
    values += [("last_digest", "first_digest"), ("first_digest", "NULL"), ("last_digest", "NULL")]
    told = "its row in holystone_runs was edited"
    return [
        (f"UPDATE holystone_runs SET {name} = {value} WHERE run_id = :second", "second", told) for name, value in values
    ]


def change_edits() -> list[Edit]:
    """Each column of a change is given another value, in the first one, in the middle, and in the last one."""
    edits: list[Edit] = []
    for column in changes.c:
        for number in (0, 1, PLACES - 1):
            told = f"its change {number} was "
            if column.name == "undone_by":
                told = f"its change {number} is said to be undone by 'other', which is no undo of it"
            if column.name == "run_id":
                continue  # a row that is moved to another run is among those below
            value = OTHERS.get(column.name, "'other'")
            where = f"WHERE run_id = :second AND number = {number}"
            edits.append((f"UPDATE holystone_changes SET {column.name} = {value} {where}", "second", told))
    return [*edits, ("UPDATE holystone_changes SET digest = NULL WHERE run_id = :second", "second", "its change 0 was")]


COLUMNS = ", ".join(column.name for column in changes.c if column.name not in ("run_id", "number"))


def row_edits() -> list[Edit]:
    """Rows are removed, doubled under another number, and moved to another run."""
    edits: list[Edit] = []
    for number in (0, 1, PLACES - 1):
        where = f"WHERE run_id = :second AND number = {number}"
        edits.append((f"DELETE FROM holystone_changes {where}", "second", f"its change {number} was removed"))
        for other in (-1, PLACES, PLACES + 9):
            copied = f"SELECT run_id, {other}, {COLUMNS} FROM holystone_changes {where}"
            statement = f"INSERT INTO holystone_changes (run_id, number, {COLUMNS}) {copied}"
            edits.append((statement, "second", f"its change {other} was added"))
        moved = f"UPDATE holystone_changes SET run_id = :first, number = {PLACES} {where}"
        edits.append((moved, "second", f"its change {number} was removed"))
        edits.append((moved, "first", f"its change {PLACES} was added"))
    edits.append(("DELETE FROM holystone_changes WHERE run_id = :second", "second", "its changes 0 to 3 were removed"))
    return edits


def undo_edits() -> list[Edit]:
    """What says who took a change back is forged, or removed, on either side."""
    where = "WHERE run_id = :first AND number = 1"
    gone = "its change 1 was undone by '{undo}', and does not say so any more"
    return [
        (f"UPDATE holystone_changes SET undone_by = NULL {where}", "first", gone),
        (f"UPDATE holystone_changes SET undone_by = :second {where}", "first", gone),
        (
            "UPDATE holystone_changes SET undone_by = :undo WHERE run_id = :second AND number = 1",
            "second",
            "its change 1 is said to be undone by '{undo}', which is no undo of it",
        ),
        (
            "DELETE FROM holystone_changes WHERE run_id = :undo AND number = 3",
            "first",
            "its undo '{undo}' was altered: its change 3 was removed",
        ),
        (
            "UPDATE holystone_runs SET undoes = :second WHERE run_id = :undo",
            "second",
            "its undo '{undo}' was altered: its row in holystone_runs was edited",
        ),
    ]


def edited(journal: Journal, statement: str) -> None:
    for name in ("first", "second", "undo"):
        statement = statement.replace(f":{name}", f"'{getattr(journal, name)}'")
    journal.ground.execute(statement)


def refused_by_name(journal: Journal, which: str, told: str) -> None:
    """Neither is anything undone, nor is the edit passed over in the list."""
    ground, run_id = journal.ground, getattr(journal, which)
    told = told.format(undo=journal.undo)
    with pytest.raises(HolystoneError) as refused:
        read_run(ground.store, run_id)
    assert refused.value.message.startswith(f"Run '{run_id}' of the journal was altered: ")
    (run,) = [run for run in read_runs(ground.store) if run.run_id == run_id]
    assert run.altered, told
    assert told in " / ".join([refused.value.message, *run.altered]), run.altered


@pytest.mark.parametrize("edits", [run_edits, change_edits, row_edits, undo_edits])
def test_each_edit_is_refused_by_name(journal: Journal, edits: Callable[[], list[Edit]]) -> None:
    execute = journal.ground.execute
    for table in OURS:
        execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
    try:
        for statement, which, told in edits():
            for run_id in (journal.first, journal.undo, journal.second):
                assert read_run(journal.ground.store, run_id).altered == []
            edited(journal, statement)
            refused_by_name(journal, which, told)
            for table in reversed(OURS):
                execute(f"DELETE FROM {table}")
            for table in OURS:
                execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")
    finally:
        for table in OURS:
            execute(f"DROP TABLE kept_{table}")


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_a_run_whose_row_was_removed_is_told(prepare: Prepare, flavour: str) -> None:
    ground = prepare(flavour, drifted)
    run_id = applied(ground.store)
    if flavour == "postgresql":  # it has the foreign key looked after
        ground.execute("ALTER TABLE holystone_changes DISABLE TRIGGER ALL")
        ground.execute("ALTER TABLE holystone_runs DISABLE TRIGGER ALL")
    ground.execute("DELETE FROM holystone_runs")
    if flavour == "postgresql":
        ground.execute("ALTER TABLE holystone_changes ENABLE TRIGGER ALL")
        ground.execute("ALTER TABLE holystone_runs ENABLE TRIGGER ALL")
    (run,) = read_runs(ground.store)
    assert (run.run_id, run.altered) == (run_id, ["its row in holystone_runs was removed"])
    with pytest.raises(HolystoneError, match="was altered: its row in holystone_runs was removed"):
        read_run(ground.store, run_id)


@pytest.mark.parametrize("which", ["first", "undo"])
def test_of_a_run_and_its_undo_one_was_removed(journal: Journal, which: str) -> None:
    for table in ("holystone_changes", "holystone_runs"):
        edited(journal, f"DELETE FROM {table} WHERE run_id = :{which}")
    if which == "first":
        refused_by_name(journal, "undo", f"it is an undo of '{journal.first}', and that run was removed")
    else:
        told = "its change 0 is said to be undone by '{undo}', which is no undo of it"
        refused_by_name(journal, "first", told)


def test_the_commands_say_so(journal: Journal, run: Run) -> None:
    ground = journal.ground
    edited(
        journal, "UPDATE holystone_changes SET before_image = '{\"output\": 1}' WHERE run_id = :second AND number = 2"
    )
    before, ours = contents(ground.made), rows(ground.made, "holystone_changes")
    undone = run("repair", "undo", ground.made.target, journal.second, *ground.made.arguments[1:], "--yes")
    assert_refused(undone, f"Run '{journal.second}' of the journal was altered: its change 2 was edited.", "backup")
    assert (contents(ground.made), rows(ground.made, "holystone_changes")) == (before, ours)
    listed = run("repair", "log", *ground.made.arguments)
    assert (listed.status, listed.out.count("altered since: its change 2 was edited")) == (0, 1)
    as_json = run("repair", "log", *ground.made.arguments, "--format", "json").json["runs"]
    assert {one["run"]: one["altered"] for one in as_json}[journal.second] == ["its change 2 was edited"]


def stopped_before_its_end(store: Store) -> str:
    application = Application(store, new_run("apply", plan="plan"))
    application.apply(make_plan(store, select_checks(Level.deep)))
    return application.run_id


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize("apply", [applied, stopped_before_its_end])
def test_what_nobody_edited_passes(prepare: Prepare, flavour: str, apply: Callable[[Store], str]) -> None:
    ground = prepare(flavour, drifted)
    before = contents(ground.made)
    run_id = apply(ground.store)
    repaired = contents(ground.made)
    for _ in range(3):
        undo = undo_run(ground.store, read_run(ground.store, run_id))
        assert (undo.applied, undo.left) == (PLACES, 0)
        assert contents(ground.made) == before
        again = undo_run(ground.store, read_run(ground.store, str(undo.run)))
        assert (again.applied, again.left) == (PLACES, 0)
        assert contents(ground.made) == repaired
        run_id = str(again.run)
        assert undo_run(ground.store, read_run(ground.store, run_id)).applied == PLACES
        run_id = applied(ground.store)
    assert [one.altered for one in read_runs(ground.store) if one.altered] == []


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_a_journal_of_an_older_version_is_sealed_as_it_stands(engine_store: MakeStore, flavour: str, run: Run) -> None:
    made = engine_store(ENGINES[-1], flavour, ())  # type: ignore[arg-type]
    store = Store.open(made.target, made.schema)
    upgrade(store)
    with store.transaction() as connection:
        drifted(Scribe(connection, store.flavour))
    before = contents(made)
    first = applied(store)
    undo = str(undo_run(store, read_run(store, first)).run)
    second = applied(store)
    assert downgrade(store, "t0004") == ["t0005"]
    store = Store.open(made.target, made.schema)
    assert not has_digests(store)
    assert [len(one.changes) for one in read_runs(store)] == [PLACES] * 3
    undone = run("repair", "undo", made.target, second, *made.arguments[1:], "--yes")
    assert_refused(undone, "has no digests yet", "holystone migrate upgrade ")
    listed = run("repair", "log", *made.arguments)
    assert (listed.status, "no digests" in listed.err) == (0, True)
    assert_refused(run("migrate", "sql", *made.arguments), "holds 3 runs", "holystone migrate upgrade ")
    assert run("migrate", "upgrade", *made.arguments).status == 0
    store = Store.open(made.target, made.schema)
    assert has_digests(store)
    for run_id in (first, undo, second):
        assert read_run(store, run_id).altered == []
    made.execute("UPDATE holystone_changes SET why = 'x' WHERE run_id = ? AND number = 1", undo)
    with pytest.raises(HolystoneError, match="its change 1 was edited"):
        read_run(store, undo)
    assert undo_run(store, read_run(store, second)).left == 0
    assert contents(made) == before


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_repair_upgrades_such_a_journal_itself(engine_store: MakeStore, flavour: str, run: Run) -> None:
    made = engine_store(ENGINES[-1], flavour, ())  # type: ignore[arg-type]
    store = Store.open(made.target, made.schema)
    upgrade(store)
    downgrade(store, "t0001")
    with store.transaction() as connection:
        drifted(Scribe(connection, store.flavour))
    repaired = run("repair", "apply", *made.arguments, "--yes")
    assert repaired.status == 0, repaired.err
    assert "Upgraded holystone's own tables" in repaired.err
    (one,) = read_runs(Store.open(made.target, made.schema))
    assert (len(one.changes), one.altered) == (PLACES, [])

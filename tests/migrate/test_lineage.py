"""The branch `store` makes what the engine's own migrations make, step by step, up and down."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text

from cli.helpers import assert_refused, holystone
from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from holystone.demo.scribe import Scribe, activity_completed, completed, scheduled, started
from holystone.errors import HolystoneError, MigrationError
from holystone.migrate import create, downgrade, toolkit_revision, upgrade
from holystone.store import Store
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import REVISIONS, Objects

from .conftest import Lineage
from .structure import facts, ledger, structure

pytestmark = pytest.mark.slow


STEPS = 12
TOOLKIT = list(REVISIONS)
TRIGGER = "CREATE TRIGGER users AFTER INSERT ON orchestrator_queue BEGIN SELECT 1; END"


def revision(number: int) -> str:
    return f"s{number:04}" if number else "store@base"


def execute(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def everything(path: Path) -> dict[str, Any]:
    """Return each table's rows, those of holystone's own and of SQLite's sequences too."""
    store = EngineStore(str(path), None, ENGINES[-1], "sqlite", {})
    found: dict[str, Any] = contents(store)
    return found


def scripts() -> list[Script]:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", "holystone.migrations:")
    return list(ScriptDirectory.from_config(configuration).walk_revisions())


def test_a_new_store_is_as_the_engine_makes_it(made: Store, path: Path, lineage: Lineage) -> None:
    assert structure(path) == structure(lineage[STEPS])
    assert facts(ledger(path)) == facts(ledger(lineage[STEPS]))
    with closing(sqlite3.connect(path)) as ours, closing(sqlite3.connect(lineage[STEPS])) as theirs:
        for pragma in ("journal_mode", "page_size", "encoding", "auto_vacuum", "user_version", "application_id"):
            asked = f"PRAGMA {pragma}"
            assert ours.execute(asked).fetchone() == theirs.execute(asked).fetchone(), pragma


def test_each_step_makes_what_the_engines_makes(made: Store, path: Path, lineage: Lineage) -> None:
    assert sorted(lineage) == list(range(STEPS + 1))
    downgrade(made, "store@base")
    assert structure(path) == {"": []}
    for number in range(1, STEPS + 1):
        assert upgrade(made, revision(number)) == [revision(number)]
        assert structure(path) == structure(lineage[number]), revision(number)
        assert facts(ledger(path)) == facts(ledger(lineage[number])), revision(number)


def test_each_step_down_leaves_what_the_engine_had(made: Store, path: Path, lineage: Lineage) -> None:
    for number in reversed(range(1, STEPS)):
        downgrade(made, revision(number))
        assert structure(path) == structure(lineage[number]), revision(number)
        assert facts(ledger(path)) == facts(ledger(lineage[number])), revision(number)


@pytest.mark.parametrize("number", range(STEPS))
def test_up_down_up_leaves_the_structure_identical(made: Store, path: Path, number: int) -> None:
    before = structure(path)
    downgrade(made, revision(number))
    assert upgrade(made, "store@head") == [revision(step) for step in range(number + 1, STEPS + 1)]
    assert structure(path) == before
    assert toolkit_revision(made) == TOOLKIT[-1]


def test_rows_triggers_and_sequences_live_through_down_and_up(made: Store, path: Path) -> None:
    with made.transaction() as connection:
        scribe = Scribe(connection, made.flavour)
        scribe.execution("order-1", started(), scheduled(), activity_completed(), completed())
        scribe.execution("order-2", started(), scheduled())
    execute(
        path,
        "INSERT INTO orchestrator_queue (instance_id, work_item) VALUES ('order-2', '{}'), ('order-2', '{}');"
        f"DELETE FROM orchestrator_queue WHERE id = 2; DELETE FROM worker_queue; {TRIGGER}",
    )
    before, shape = everything(path), structure(path)
    downgrade(made, "s0001")
    upgrade(made, "store@head")
    after = everything(path)
    assert structure(path) == shape
    for table, rows in before.items():
        if table != "_sqlx_migrations":  # its rows were made anew, and took another time
            assert after[table] == rows, table
    execute(path, "INSERT INTO orchestrator_queue (instance_id, work_item) VALUES ('order-2', '{}')")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT max(id) FROM orchestrator_queue").fetchone() == (3,)


INSTANCE = "INSERT INTO instances (instance_id, orchestration_name, orchestration_version{}) VALUES ('a', 'A', '1'{})"
WORK = "INSERT INTO worker_queue (work_item{}) VALUES ('{{}}'{})"
LOSSES: list[tuple[int, str, str]] = [
    (0, INSTANCE.format("", ""), "lose 1 row of instances"),
    (0, "INSERT INTO timer_queue (work_item, fire_at) VALUES ('{}', 1), ('{}', 2)", "lose 2 rows of timer_queue"),
    (1, WORK.format(", attempt_count", ", 2"), "lose worker_queue.attempt_count of 1 row"),
    (2, WORK.format(", visible_at", ", 7"), "lose worker_queue.visible_at of 1 row"),
    (3, WORK.format(", activity_id", ", 7"), "lose worker_queue.activity_id of 1 row"),
    (4, INSTANCE.format(", parent_instance_id", ", 'p'"), "lose instances.parent_instance_id of 1 row"),
    (
        5,
        "INSERT INTO executions (instance_id, execution_id, duroxide_version_minor) VALUES ('a', 1, 1), ('a', 2, 0)",
        "lose executions.duroxide_version_minor of 2 rows",
    ),
    (6, "INSERT INTO sessions VALUES ('s', 'w', 1, 1)", "lose 1 row of sessions"),
    (6, WORK.format(", session_id", ", 's'"), "lose worker_queue.session_id of 1 row"),
    (7, INSTANCE.format(", custom_status_version", ", 3"), "lose instances.custom_status_version of 1 row"),
    (8, WORK.format(", tag", ", 'gpu'"), "lose worker_queue.tag of 1 row"),
    (11, "INSERT INTO kv_delta VALUES ('a', 'k', NULL, 1)", "lose 1 row of kv_delta"),
    (11, "INSERT INTO kv_store VALUES ('a', 'k', 'v', 1)", "lose 1 row of kv_store"),
]


@pytest.mark.parametrize(("number", "statement", "says"), LOSSES)
def test_a_downgrade_that_would_lose_anything_is_refused(
    made: Store, path: Path, number: int, statement: str, says: str
) -> None:
    execute(path, statement)
    before, shape = everything(path), structure(path)
    with pytest.raises(MigrationError, match=says):
        downgrade(made, revision(number))
    # As far down as one may go from the newest revision, nothing has been done: it is one transaction.
    assert everything(path) == before
    assert structure(path) == shape


@pytest.mark.parametrize(("number", "table"), [(9, "kv_store"), (10, "kv_store")])
def test_a_downgrade_keeps_pairs_of_older_schemas(made: Store, path: Path, number: int, table: str) -> None:
    downgrade(made, revision(number + 1))
    columns = "instance_id, key, value, execution_id"
    execute(path, f"INSERT INTO {table} ({columns}) VALUES ('a', 'k', 'v', 1)")
    if number == 10:
        execute(path, f"UPDATE {table} SET last_updated_at_ms = 9")
    with pytest.raises(MigrationError, match=f"lose .*{table}"):
        downgrade(made, revision(number))
    upgrade(made, "store@head")
    assert len(everything(path)[table]) == 1


def test_a_journal_with_rows_is_never_dropped(made: Store, path: Path) -> None:
    execute(
        path,
        "INSERT INTO holystone_runs (run_id, kind, actor, version, started_at_ms) VALUES ('r', 'apply', 'me', '1', 1)",
    )
    with pytest.raises(MigrationError, match="lose 1 row of holystone_runs"):
        downgrade(made, "toolkit@base")
    assert toolkit_revision(made) == TOOLKIT[-1]
    execute(path, "DELETE FROM holystone_runs")
    assert downgrade(made, "toolkit@base") == TOOLKIT[::-1]
    assert toolkit_revision(made) is None
    assert upgrade(made) == TOOLKIT


def verify(store: OpenStore, connection: Connection, revision: str) -> None:
    (script,) = (script for script in scripts() if script.revision == revision)
    script.module.verify(connection, store.flavour.structure)


def test_every_revision_has_its_sentence() -> None:
    assert {script.revision for script in scripts()} == {*map(revision, range(1, STEPS + 1)), *TOOLKIT, "p0001"}
    for script in scripts():
        assert script.doc.endswith(".")
        assert script.revision[0] == min(script.branch_labels)[0]


def first_object_gone(objects: Objects) -> str:
    if objects.indexes:
        return f"DROP INDEX {objects.indexes[0].name}"
    return f"ALTER TABLE {objects.columns[-1].table.name} DROP COLUMN {objects.columns[-1].name}"


DROPS: dict[str, str] = {
    "s0001": "DROP TABLE timer_queue",
    "s0002": "ALTER TABLE worker_queue DROP COLUMN attempt_count",
    "s0003": "ALTER TABLE worker_queue DROP COLUMN visible_at",
    "s0004": "DROP INDEX idx_worker_activity",
    "s0005": "DROP INDEX idx_instances_parent",
    "s0006": "ALTER TABLE executions DROP COLUMN duroxide_version_patch",
    "s0007": "DROP TABLE sessions",
    "s0008": "ALTER TABLE instances DROP COLUMN custom_status",
    "s0009": "DROP INDEX idx_worker_queue_tag",
    "s0010": "DROP TABLE kv_store",
    "s0011": "ALTER TABLE kv_store DROP COLUMN last_updated_at_ms",
    "s0012": "DROP TABLE kv_delta",
    **{revision: first_object_gone(objects) for revision, objects in REVISIONS.items()},
}


@pytest.mark.parametrize("gone", DROPS)
def test_every_revision_misses_what_is_gone(made: Store, gone: str) -> None:
    assert DROPS.keys() == {script.revision for script in scripts()} - {"p0001"}
    downgrade(made, gone)
    with made.transaction() as connection:
        verify(made, connection, gone)
        connection.execute(text(DROPS[gone]))
        with pytest.raises(MigrationError, match=r"The store lacks the (table|column|index) "):
            verify(made, connection, gone)
        connection.rollback()


@pytest.mark.parametrize("act", [upgrade, downgrade], ids=["upgrade", "downgrade"])
def test_what_the_engine_migrated_is_left_to_the_engine(made: Store, path: Path, act: Callable[..., Any]) -> None:
    """The engine may have gone on where holystone's own revisions stopped."""
    downgrade(made, "s0011")
    execute(path, "INSERT INTO _sqlx_migrations VALUES (20990101000000, 'unknown', CURRENT_TIMESTAMP, TRUE, x'00', 1)")
    before, shape = everything(path), structure(path)
    says = "none that holystone knows" if act is upgrade else "end at 20990101000000, not at 20240111000000"
    with pytest.raises(HolystoneError, match=says):
        act(made, "store@head" if act is upgrade else "s0010")
    assert everything(path) == before
    assert structure(path) == shape


def test_a_store_of_the_engine_gets_no_store_branch(engine_store: MakeStore, flavour: Flavour) -> None:
    theirs = engine_store(ENGINES[-1], flavour, ["completed"])
    before = contents(theirs)
    newest = "s0012" if flavour == "sqlite" else "p0001"
    assert upgrade(Store.open(theirs.target, theirs.schema), newest) == []
    assert contents(theirs) == before
    store = Store.open(theirs.target, theirs.schema)
    assert "holystone_migrations" not in store.columns
    assert upgrade(store) == TOOLKIT
    assert contents(theirs) == before
    assert theirs.execute("SELECT version_num FROM holystone_migrations") == [(TOOLKIT[-1],)]


def test_a_revision_that_is_not_to_be_had_is_told_in_a_sentence(made: Store, path: Path) -> None:
    downgrade(made, "s0003")
    for revision in ("s0007", "s9999"):
        with pytest.raises(MigrationError, match="cannot be found or reached"):
            downgrade(made, revision)
    for revision in ("nonsense", "postgresql@head", "p0001", "head"):
        with pytest.raises(MigrationError, match="its branches are toolkit and store"):
            downgrade(made, revision)
    execute(path, f"UPDATE holystone_migrations SET version_num = 't9999' WHERE version_num = '{TOOLKIT[-1]}'")
    for command in ("status", "upgrade"):
        assert_refused(holystone("migrate", command, str(path)), "t9999")


def test_two_stores_are_not_one(tmp_path: Path) -> None:
    stores = [create(str(tmp_path / f"{number}.db")) for number in range(5)]
    assert len({store.identity for store in stores}) == len(stores)
    for store in stores:
        times = [entry[5] for entry in ledger(str(store.target))]
        assert all(0 < time < 10_000_000_000 for time in times)
        assert len(set(times)) > 6

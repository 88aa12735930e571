"""Faults that holystone had, and how it has them again: what mended each of them is taken out of the running code.

Somebody saw each of them once: a safe repair that the engine punished, or a store that was called clean and was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from conftest import FLAVOURS
from holystone.duroxide import compact_json, event
from holystone.flavours.postgresql import jsonb as postgresql_jsonb
from holystone.mend import apply, plan
from holystone.mend.attempt import Attempt
from holystone.mend.repair import Safety, no_reason, repairs
from holystone.scan.catalogue import checks
from holystone.scan.relations import continuations, custom_statuses
from judge.damages import Damage

Mend = Callable[[pytest.MonkeyPatch], None]
"""Takes away what mended a fault."""


# What mended them


def doubts(*names: str) -> Mend:
    """Whatever may keep these repairs from being safe: their own doubts, what else is wrong, and what they leave."""

    def without(patch: pytest.MonkeyPatch) -> None:
        known = repairs().by_id
        for name in names:
            trusted = replace(known[name], safety=Safety.safe, rests_on=frozenset(), unsafe_because=no_reason)
            patch.setitem(known, name, trusted)
        patch.setattr(Attempt, "_appeared", lambda *around: None)

    return without


def sight(*ids: str) -> Mend:
    """The checks that find it."""

    def without(patch: pytest.MonkeyPatch) -> None:
        for id in ids:
            patch.delitem(checks().by_id, id)

    return without


def together(*mends: Mend) -> Mend:
    """All of these."""

    def without(patch: pytest.MonkeyPatch) -> None:
        for mend in mends:
            mend(patch)

    return without


def soundness(patch: pytest.MonkeyPatch) -> None:
    """The condition that the database shows the same rows by its indexes as in its tables."""
    sight("S009")(patch)
    for module in (plan, apply):
        patch.setattr(module, "faults_of_store", lambda *around: [])


def events_of_the_next(patch: pytest.MonkeyPatch) -> None:
    """That events of the next execution tell that it has begun."""
    patch.setattr(continuations, "_is_taken", lambda *around: False)


def shape(patch: pytest.MonkeyPatch) -> None:
    """What the reader demands of the fields of an event."""
    patch.setattr(event, "fault", lambda *record: None)


def depth(patch: pytest.MonkeyPatch) -> None:
    """The limit of values inside each other."""
    for module in (compact_json, postgresql_jsonb):
        patch.setattr(module, "DEEPEST", 10_000)


def versions(patch: pytest.MonkeyPatch) -> None:
    """That one version of the engine set custom statuses without an event."""
    patch.setattr(custom_statuses, "keeps", lambda *_: False)


# The damages


def on(*flavours: str) -> Callable[..., Mapping[str, tuple[str, ...]]]:
    return lambda *statements: dict.fromkeys(flavours, statements)


def raised_to(instance: str) -> str:
    return f'{{"ExternalRaised":{{"instance":"{instance}","name":"go","data":"null"}}}}'


def queued(instance: str, work_item: str, visible_at: str = "visible_at") -> str:
    """A message beside those that are there, as old as that of `new-work`."""
    return (
        "INSERT INTO orchestrator_queue (instance_id, work_item, visible_at, created_at) "
        f"SELECT '{instance}', '{work_item}', {visible_at}, created_at FROM orchestrator_queue "
        "WHERE instance_id = 'new-work'"
    )


def without_entries(table: str, index: str, columns: str, hidden: str) -> tuple[str, ...]:
    """An index of SQLite that lacks the entries of some rows: that of another table takes its place."""
    both = f"('{index}', 'sqlite_autoindex_spare_1', 'spare_index')"
    return (
        f"CREATE TABLE spare ({columns})",
        f"CREATE INDEX spare_index ON spare ({columns})",
        f"INSERT INTO spare (rowid, {columns}) SELECT rowid, {columns} FROM {table} WHERE NOT ({hidden})",
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM sqlite_schema WHERE name IN {both}) - rootpage"
        f" WHERE name IN {both}",
        "DELETE FROM sqlite_schema WHERE tbl_name = 'spare'",
    )


READY = "UPDATE pg_index SET indisready = {} WHERE indrelid = 'history'::regclass"
END = "instance_id = 'done-work' AND event_id = 4"
UNDER_ANOTHER_NAME = """
DO $$ DECLARE f record; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'engine'::regnamespace LOOP
    EXECUTE replace(replace(pg_get_functiondef(f.oid), 'engine.', 'duro.'), 'FUNCTION duro.', 'FUNCTION engine.');
  END LOOP;
END $$
"""
SWALLOW = (
    "CREATE FUNCTION public.stranger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
    "CREATE TRIGGER stranger BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION public.stranger()",
)
BOTH = on(*FLAVOURS)
SQLITE, POSTGRESQL = on("sqlite"), on("postgresql")


@dataclass(frozen=True)
class Fault:
    """What was seen, which of the two words was not true, on what store, and what `mended` it."""

    seen: str
    word: str
    shown: Mapping[str, tuple[str, ...]]
    """By flavour, the statements that damage the judge's store."""
    mended: Mend

    def damages(self, flavour: str) -> tuple[Damage, ...]:
        """The damage as the court takes it."""
        statements = tuple((statement, ()) for statement in self.shown[flavour])
        return (Damage("of the past", "", None, None, self.seen, statements),)


FAULTS = (
    Fault(
        "a message without instance that also has a TEXT visible_at",
        "safe",
        SQLITE(queued("nobody", raised_to("nobody"), "'2025-10-09 09:00:00'")),
        doubts("restore-visible-at"),
    ),
    Fault(
        "a message whose work item names an instance that does not exist",
        "safe",
        SQLITE(queued("done-work", raised_to("ghost-1"))),
        doubts("restore-identity"),
    ),
    Fault(
        "an executions row without history",
        "safe",
        BOTH(
            "INSERT INTO executions (instance_id, execution_id, status, started_at) "
            "SELECT instance_id, 2, status, started_at FROM executions WHERE instance_id = 'live-fan'"
        ),
        doubts("restore-current-execution"),
    ),
    Fault(
        "history of an old execution 5 left behind, the id in use again",
        "safe",
        BOTH(
            "INSERT INTO history (instance_id, execution_id, event_id, event_type, created_at, event_data) "
            "SELECT 'live-event', 5, event_id, event_type, created_at, replace(replace(event_data, '\"done-work\"', "
            "'\"live-event\"'), '\"execution_id\":1', '\"execution_id\":5') "
            "FROM history WHERE instance_id = 'done-work'"
        ),
        doubts("restore-execution", "restore-current-execution"),
    ),
    Fault(
        "a terminal event that the engine cannot decode",
        "safe",
        BOTH(
            "INSERT INTO history (instance_id, execution_id, event_id, event_type, created_at, event_data) SELECT "
            "instance_id, execution_id, 7, 'OrchestrationCompleted', created_at, '{\"event_id\":7,"
            '"source_event_id":null,"instance_id":"live-event","execution_id":1,"duroxide_version":"0.1.32",'
            '"type":"OrchestrationCompleted","output":"null"}\' '
            "FROM history WHERE instance_id = 'live-event' AND event_id = 6"
        ),
        shape,
    ),
    Fault(
        "current row of a chain lost: requeue-continue-as-new, and H008's change in the same run",
        "safe",
        BOTH(
            "DELETE FROM executions WHERE instance_id = 'live-relay' AND execution_id = 2",
            "UPDATE instances SET current_execution_id = 1 WHERE instance_id = 'live-relay'",
        ),
        together(doubts("requeue-continue-as-new", "restore-execution"), events_of_the_next),
    ),
    Fault(
        "PostgreSQL: Q007 towards an instance whose history cannot be read",
        "safe",
        POSTGRESQL(
            "UPDATE history SET event_data = '{' WHERE instance_id = 'live-far' AND event_id = 2",
            queued("done-work", raised_to("live-far")),
        ),
        doubts("restore-identity"),
    ),
    Fault(
        "the index of history lacks the terminal event that the table has",
        "safe",
        {
            "sqlite": without_entries(
                "history", "sqlite_autoindex_history_1", "instance_id, execution_id, event_id", END
            ),
            "postgresql": (
                READY.format(False),
                f"WITH end_ AS (DELETE FROM history WHERE {END} RETURNING *) INSERT INTO history SELECT * FROM end_",
                READY.format(True),
            ),
        },
        # What it leaves would be stuck, which keeps the repair from being safe as well.
        together(soundness, doubts("restore-outcome")),
    ),
    Fault(
        "custom_status set by core 0.1.19, which writes no event for it",
        "safe",
        BOTH(
            "DELETE FROM history WHERE instance_id = 'done-cancelled' AND event_id = 2",
            "UPDATE history SET event_id = event_id - 1, event_data = replace(replace(event_data, '\"event_id\":' || "
            "event_id, '\"event_id\":' || (event_id - 1)), '\"source_event_id\":3', '\"source_event_id\":2') "
            "WHERE instance_id = 'done-cancelled' AND event_id > 2",
            "UPDATE history SET event_data = replace(event_data, '0.1.32', '0.1.19') "
            "WHERE instance_id = 'done-cancelled'",
            "UPDATE executions SET duroxide_version_patch = 19 WHERE instance_id = 'done-cancelled'",
        ),
        versions,
    ),
    Fault(
        "parent deleted, child live",
        "clean",
        BOTH(
            *(
                f"DELETE FROM {table} WHERE instance_id = 'live-parent'"
                for table in ("history", "executions", "instances")
            ),
        ),
        together(doubts("restore-parent"), sight("I010")),
    ),
    Fault(
        "parent deleted, and its live child made a root",
        "clean",
        BOTH(
            *(
                f"DELETE FROM {table} WHERE instance_id = 'live-parent'"
                for table in ("history", "executions", "instances")
            ),
            "UPDATE instances SET parent_instance_id = NULL WHERE instance_id = 'live-parent::sub::2'",
        ),
        sight("I010"),
    ),
    Fault(
        "the engine's functions name another schema",
        "clean",
        POSTGRESQL(UNDER_ANOTHER_NAME),
        sight("S004", "S005"),
    ),
    Fault(
        "a trigger of a stranger that swallows history inserts",
        "clean",
        {
            "sqlite": ("CREATE TRIGGER stranger BEFORE INSERT ON history BEGIN SELECT RAISE(IGNORE); END",),
            "postgresql": SWALLOW,
        },
        sight("S003"),
    ),
    Fault(
        "history event nested 200 deep",
        "clean",
        BOTH(
            f'UPDATE history SET event_data = replace(event_data, \'"type":\', \'"deep":{"[" * 200}{"]" * 200},'
            "\"type\":') WHERE instance_id = 'live-event' AND event_id = 3"
        ),
        depth,
    ),
    Fault(
        "a second ContinueAsNew message",
        "clean",
        BOTH(
            "INSERT INTO orchestrator_queue (instance_id, work_item, visible_at, created_at) SELECT 'live-relay', "
            "replace(replace(work_item, 'held-between', 'live-relay'), 'BetweenHeld', 'Relay'), visible_at, created_at "
            "FROM orchestrator_queue WHERE instance_id = 'held-between'"
        ),
        sight("Q016"),
    ),
    Fault(
        "an activity whose due time is far from what its message says",
        "clean",
        {
            "sqlite": ("UPDATE worker_queue SET visible_at = 4102444800000 WHERE instance_id = 'live-tagged'",),
            "postgresql": ("UPDATE worker_queue SET visible_at = '2100-01-01' WHERE instance_id = 'live-tagged'",),
        },
        sight("Q010"),
    ),
    Fault(
        "an activity whose lock is far from what its message says",
        "clean",
        BOTH(
            "UPDATE worker_queue SET lock_token = 'x', locked_until = 4102444800000 WHERE instance_id = 'live-tagged'"
        ),
        sight("Q011"),
    ),
    Fault(
        "race of a timer and an event whose TimerFired is gone",
        "clean",
        BOTH("DELETE FROM orchestrator_queue WHERE instance_id = 'live-either'"),
        sight("I009"),
    ),
    Fault(
        "damaged index page of a SQLite file",
        "clean",
        SQLITE(*without_entries("orchestrator_queue", "idx_orch_instance", "instance_id", "instance_id = 'new-work'")),
        sight("S009"),
    ),
)


ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "two repairs of one row (Q002 and Q009)": (
        "nothing was written, so there was nothing for the engine to punish",
        "catalogue/test_repair_safety.py::test_pass_by_pass_all_is_repaired",
    ),
    "client clock 600 s ahead of the database's: a held lock counts as expired": (
        "no dispatcher is at work while a store of the judge's is repaired",
        "catalogue/test_repair_clock.py::test_lock_is_held_though_the_clients_clock_is_ahead",
    ),
    "status of a newer engine (Suspended): E002 sets it Running": (
        "the engine that goes by it is not out yet, and that of today passes over it",
        "catalogue/test_cases.py::test_healthy_rows_are_quiet",
    ),
    "row-level security hides rows from the role": (
        "the judge has no role but the owner's",
        "cli/test_hidden_rows.py::test_rows_behind_row_security_are_not_taken_for_lost",
    ),
    "the store reached through a symlink": (
        "it is about the name of a file",
        "cli/test_hidden_rows.py::test_what_lies_in_the_wal_of_a_linked_file_is_seen",
    ),
    "history rows twice under a damaged unique index": (
        "the engine reads them by the same index, which has each of them once",
        "catalogue/test_cases.py::test_broken_rows_are_found_exactly",
    ),
    "--instance '', a misspelt id, a glob that matches nothing; --instance given twice": (
        "it is about a command line",
        "cli/test_selection.py::test_a_pattern_that_matches_nothing_is_no_clean_store",
    ),
    "a plug-in module that ends in sys.exit(0)": (
        "it is about what is installed",
        "catalogue/test_plugins.py::test_a_plugin_that_cannot_be_loaded_is_named_and_the_others_run",
    ),
    "Q001 is skipped on a store of core 0.1.1, for want of a column that another check needs": (
        "the judge's stores are of the newest engine, which upgrades an older store before it works on it",
        "engines/test_old_columns.py::test_what_is_skipped_and_why",
    ),
}
"""What a judge of stores cannot see -> why, and the test that can."""

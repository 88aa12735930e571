"""What a repair rests on may be called into question by something else: then it is not safe, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, select

from cases.objects import execute
from cases.payloads import asked_child, child_of, status_set, subscribed
from cases.work import activity_for, raised_to, routed
from catalogue.conftest import Prepare
from catalogue.sources import EVERY_CHECK
from conftest import FLAVOURS, SQLITE_AND_LONG_POSTGRESQL
from contents import contents
from damaged_index import HISTORY_INDEX, let_index_show
from holystone.demo.scribe import Scribe, completed, continued, scheduled, started
from holystone.duroxide.tables import executions, history, instances, orchestrator_queue, worker_queue
from holystone.mend import attempt
from holystone.mend.apply import Application, apply_plan, new_run
from holystone.mend.change import Change
from holystone.mend.plan import make_plan
from holystone.mend.repair import repairs
from holystone.mend.runs import read_run
from holystone.mend.undo import undo_run
from holystone.mend.write import RowChangedError, write
from holystone.scan.scan import Scan
from holystone.store import Store

pytestmark = pytest.mark.slow


BOTH = frozenset(FLAVOURS)
ON_SQLITE = frozenset({"sqlite"})


# What is damaged, and the checks whose repairs are safe by declaration and are not safe there.


def never_due_and_nobodys(scribe: Scribe) -> None:
    row = scribe.message("nobody", raised_to("nobody"))
    scribe.change(orchestrator_queue, {"id": row}, visible_at="2025-10-09 09:00:00")


def for_a_ghost(scribe: Scribe) -> None:
    scribe.execution("ok", started(), subscribed())
    scribe.message("ok", raised_to("ghost-1"))


def for_another_that_is_there(scribe: Scribe) -> None:
    """The column may be wrong, or the message."""
    for name in ("ok", "other"):
        scribe.execution(name, started(), subscribed())
    scribe.message("ok", raised_to("other"))


def newer_execution_without_history(scribe: Scribe) -> None:
    scribe.execution("wait", started(), subscribed())
    scribe.message("wait", raised_to("wait"))
    scribe.add(
        executions, instance_id="wait", execution_id=2, status="Running", started_at=scribe.flavour.created_at(1)
    )


def history_of_an_earlier_life(scribe: Scribe) -> None:
    scribe.execution("again", started(), completed(), execution_id=5)
    scribe.remove(executions, {"instance_id": "again"})
    scribe.remove(instances, {"instance_id": "again"})
    scribe.execution("again", started(), subscribed())


def execution_that_nothing_leads_to(scribe: Scribe) -> None:
    scribe.execution("leap", started(), continued())
    scribe.execution("leap", started(), completed(), execution_id=5)
    scribe.change(instances, {"instance_id": "leap"}, current_execution_id=1)


def message_for_an_unreadable_history(scribe: Scribe) -> None:
    scribe.execution("torn", started(), subscribed())
    scribe.change(history, {"instance_id": "torn", "event_id": 2}, event_data="{")
    scribe.message("gone", raised_to("torn"))


def unreadable_newest_execution(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued())
    scribe.execution("loop", started(), subscribed(), execution_id=2)
    scribe.change(history, {"instance_id": "loop", "execution_id": 2, "event_id": 2}, event_data="{")
    scribe.change(instances, {"instance_id": "loop"}, current_execution_id=1)


def live_child_of_nobody(scribe: Scribe) -> None:
    scribe.execution("gone", started(), asked_child("gone::sub::2"))
    scribe.execution("gone::sub::2", child_of("gone"), subscribed())
    for table in (history, executions, instances):
        scribe.remove(table, {"instance_id": "gone"})


def end_that_is_lost(scribe: Scribe) -> None:
    scribe.execution("ended", started(), completed())
    scribe.remove(history, {"instance_id": "ended", "event_id": 2})


def never_due_and_for_another(scribe: Scribe) -> None:
    """Unreadable, so nobody knows whom it is for and when."""
    scribe.execution("ok", started(), subscribed())
    row = scribe.message("ok", raised_to("ok"))
    scribe.change(orchestrator_queue, {"id": row}, visible_at="soon", work_item="{")


def taken_for_another(scribe: Scribe) -> None:
    """The message of an activity that an execution waits for was overwritten with that of another one."""
    for name in ("ok", "other"):
        scribe.execution(name, started(), scheduled())
    texts = scribe.connection.execute(select(worker_queue.c.instance_id, worker_queue.c.work_item)).all()
    scribe.change(worker_queue, {"instance_id": "ok"}, work_item=dict(texts)["other"])


def lost_row_of_a_stuck_execution(scribe: Scribe) -> None:
    scribe.execution("ended", started(), completed())
    scribe.remove(history, {"instance_id": "ended", "event_id": 2})
    scribe.remove(executions, {"instance_id": "ended"})


def activity_queued_for_other_workers(scribe: Scribe) -> None:
    """Its row is there twice, with a tag and without."""
    scribe.execution("routed", started(), routed(tag="gpu"))
    activity_for(scribe, "routed")


@dataclass(frozen=True)
class Doubt:
    write: Callable[[Scribe], None]
    check: str
    reason: str
    flavours: frozenset[str] = BOTH


EITHER = "nothing tells whether the column is wrong or the message"

DOUBTS = [
    Doubt(never_due_and_nobodys, "Q009", "nothing is there of the instance 'nobody'", ON_SQLITE),
    Doubt(for_a_ghost, "Q007", EITHER),
    Doubt(for_another_that_is_there, "Q007", EITHER),
    Doubt(newer_execution_without_history, "I001", "execution 2 has no history"),
    Doubt(history_of_an_earlier_life, "H008", "the row of instances is at an earlier execution"),
    Doubt(execution_that_nothing_leads_to, "I001", "the executions before 5 do not lead to it"),
    Doubt(message_for_an_unreadable_history, "Q007", "H005 calls into question the next turn of the instance 'torn'"),
    Doubt(end_that_is_lost, "E001", "the event that says so is lost"),
    Doubt(lost_row_of_a_stuck_execution, "H008", "the event that says so is lost"),
    Doubt(taken_for_another, "Q004", "an execution waits for the activity that the columns say"),
    Doubt(unreadable_newest_execution, "I001", "H005 calls into question the history"),
    Doubt(live_child_of_nobody, "I005", "it still runs"),
    Doubt(activity_queued_for_other_workers, "Q013", "the two rows of the activity do not say the same"),
    Doubt(never_due_and_for_another, "Q009", "Q002 calls into question", ON_SQLITE),
]


@pytest.mark.parametrize(
    ("doubt", "flavour"),
    [
        pytest.param(
            d,
            f,
            id=f"{d.write.__name__}-{d.check}-{f}",
            marks=[pytest.mark.long] * bool(number),
        )
        for d in DOUBTS
        for number, f in enumerate(f for f in FLAVOURS if f in d.flavours)
    ],
)
def test_repair_in_doubt_is_not_safe(doubt: Doubt, flavour: str, prepare: Prepare) -> None:
    ground = prepare(flavour, doubt.write)
    before = contents(ground.made)
    for selected in (EVERY_CHECK, [check for check in EVERY_CHECK if check.id == doubt.check]):
        plan = make_plan(ground.store, selected)
        reasons = [str(change.unsafe_because) for change in plan.changes if change.check == doubt.check]
        assert reasons
        assert all(doubt.reason in reason for reason in reasons), reasons
        assert {change.safety for change in plan.changes} == {"unsafe"}
        report = apply_plan(ground.store, plan)
        assert report.run is None
    assert contents(ground.made) == before


# One thing is wrong, and the history proves what is right.


def rows_of_all_executions_lost(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued("2"))
    scribe.execution("loop", started(), subscribed(), execution_id=2)
    scribe.remove(executions, {"instance_id": "loop"})


def execution_under_another_number(scribe: Scribe) -> None:
    scribe.execution("ok", started(), subscribed())
    scribe.change(executions, {"instance_id": "ok"}, execution_id=11)


def current_execution_is_no_number(scribe: Scribe) -> None:
    scribe.execution("ok", started(), subscribed())
    scribe.change(instances, {"instance_id": "ok"}, current_execution_id="x")


def continuation_under_another(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued("2"))
    scribe.execution("ok", started(), subscribed())
    scribe.change(orchestrator_queue, {"instance_id": "loop"}, instance_id="ok")


PROVEN = [
    (rows_of_all_executions_lost, "H008", BOTH),
    (execution_under_another_number, "H008", BOTH),
    (current_execution_is_no_number, "I001", ON_SQLITE),
    (continuation_under_another, "Q007", BOTH),
]


@pytest.mark.parametrize(
    ("write", "check", "flavour"), [(w, check, f) for w, check, on in PROVEN for f in FLAVOURS if f in on]
)
def test_what_history_proves_is_safe(write: Any, check: str, flavour: str, prepare: Prepare) -> None:
    ground = prepare(flavour, write)
    plan = make_plan(ground.store, EVERY_CHECK)
    found = [change for change in plan.changes if change.check == check]
    assert [(change.safety, change.unsafe_because) for change in found] == [("safe", None)] * len(found) != []
    apply_plan(ground.store, plan)
    assert check not in {finding.check.id for finding in Scan(ground.store, EVERY_CHECK)}


# What rests on the same sound history is repaired, at latest pass by pass.


def three_of_one_row(scribe: Scribe) -> None:
    scribe.execution("row", started(), completed('"kept"'))
    scribe.change(executions, {"instance_id": "row"}, completed_at=None, output="x")
    scribe.execution("other", started(), continued("2"))
    scribe.execution("other", started(), scheduled(), execution_id=2)
    scribe.change(executions, {"instance_id": "other", "execution_id": 1}, status="Running", output="x")
    scribe.change(executions, {"instance_id": "other", "execution_id": 2}, status="Completed")
    scribe.change(instances, {"instance_id": "other"}, current_execution_id=1, orchestration_name="x")


def moved_and_never_due(scribe: Scribe) -> None:
    scribe.execution("ok", started(), subscribed())
    row = scribe.message("gone", raised_to("ok"))
    if scribe.flavour.name == "sqlite":
        scribe.change(orchestrator_queue, {"id": row}, visible_at="2025-10-09 09:00:00")


def rows_before_the_queue(scribe: Scribe) -> None:
    scribe.execution("ok", started(), subscribed())
    scribe.change(executions, {"instance_id": "ok"}, status="Completed")
    scribe.message("gone", raised_to("ok"))


def status_and_its_version(scribe: Scribe) -> None:
    for name, status, *events in (
        ("lost", None, status_set("one")),
        ("old", "one", status_set("one"), status_set("two")),
        ("made-up", "fine"),
    ):
        scribe.execution(name, started(), *events, subscribed())
        scribe.change(instances, {"instance_id": name}, custom_status=status, custom_status_version=-1)


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize(
    ("write", "passes"),
    [
        (three_of_one_row, 2),
        (moved_and_never_due, {"sqlite": 2, "postgresql": 1}),
        (rows_before_the_queue, 2),
        (status_and_its_version, 2),
    ],
)
def test_pass_by_pass_all_is_repaired(write: Any, passes: Any, flavour: str, prepare: Prepare) -> None:
    ground = prepare(flavour, write)
    store = ground.store
    before = contents(ground.made)
    plan = make_plan(store, EVERY_CHECK)
    application = Application(store, new_run("apply", plan=plan.hash))
    application.apply(plan)
    later = list(application.go_on(plan, lambda only: make_plan(store, EVERY_CHECK, only=only)))
    report = application.finish()
    assert (report.left, list(Scan(store, EVERY_CHECK))) == (0, [])
    assert 1 + len(later) == (passes[flavour] if isinstance(passes, dict) else passes)
    assert report.run is not None
    assert undo_run(store, read_run(store, report.run)).left == 0
    assert contents(ground.made) == before


def two_of_one_row(scribe: Scribe) -> None:
    never_due_and_for_another(scribe)
    drifted(scribe)


def test_two_repairs_of_one_row_come_to_an_end(prepare: Prepare) -> None:
    """The second one is made in a pass of its own, or not at all, and holds up no other row."""
    store = prepare("sqlite", two_of_one_row).store
    plan = make_plan(store, EVERY_CHECK)
    assert {change.check for change in plan.changes} == {"E001", "Q002", "Q009"}
    application = Application(store, new_run("apply", plan=plan.hash), unsafe=["park-message", "restore-visible-at"])
    application.apply(plan)
    later = list(application.go_on(plan, lambda only: make_plan(store, EVERY_CHECK, only=only)))
    report = application.finish()
    assert (report.left, report.skipped, list(Scan(store, EVERY_CHECK))) == (0, [], [])
    assert len(later) <= 1


# Between plan and apply, and in apply itself.


def drifted(scribe: Scribe, *names: str) -> None:
    for name in names or ("a", "b", "c"):
        scribe.execution(name, started(), completed())
        scribe.change(executions, {"instance_id": name}, status="Running", output=None, completed_at=None)


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_instance_is_judged_anew_before_it_is_written(flavour: str, prepare: Prepare) -> None:
    ground = prepare(flavour, drifted)
    plan = make_plan(ground.store, EVERY_CHECK)
    ground.execute("UPDATE history SET event_data = '{' WHERE instance_id = 'b' AND event_id = 1")
    report = apply_plan(ground.store, plan)
    assert report.applied == 2
    assert [change.key["instance_id"] for change, _ in report.skipped] == ["b"]
    assert "H005 calls into question the history" in report.skipped[0][1]


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_row_that_cannot_be_written_stops_no_other(
    flavour: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = prepare(flavour, drifted)
    plan = make_plan(ground.store, EVERY_CHECK)
    real = write

    def refused(store: Store, connection: Connection, change: Change) -> None:
        if change.key["instance_id"] == "b":
            raise RowChangedError
        real(store, connection, change)

    monkeypatch.setattr(attempt, "write", refused)
    report = apply_plan(ground.store, plan)
    assert report.applied == 2
    assert [(change.key["instance_id"], why) for change, why in report.skipped] == [("b", attempt.CHANGED)]
    assert [finding.instance_id for finding in Scan(ground.store, EVERY_CHECK)] == ["b"]


@pytest.mark.long
def test_value_that_no_column_can_hold_is_said_to_be_one(prepare: Prepare) -> None:
    ground = prepare("postgresql", lambda scribe: scribe.execution("a", started(), completed("an output")))
    ground.execute(r"UPDATE history SET event_data = replace(event_data, 'an output', 'an\u0000output')")
    plan = make_plan(ground.store, EVERY_CHECK)
    report = apply_plan(ground.store, plan, unsafe=[repair.id for repair in repairs()])
    assert report.applied == 0
    assert ["PostgreSQL cannot hold a value" in why for _, why in report.skipped] == [True]


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_change_that_leaves_something_new_is_taken_back(flavour: str, prepare: Prepare) -> None:
    """An end is lost: that the execution runs would be said of one that nothing can wake."""
    ground = prepare(flavour, end_that_is_lost)
    before = contents(ground.made)
    report = apply_plan(ground.store, make_plan(ground.store, EVERY_CHECK))
    assert (report.run, report.left) == (None, 1)
    assert contents(ground.made) == before


def test_index_that_hides_an_event_stops_every_repair(prepare: Prepare) -> None:
    ground = prepare("sqlite", drifted, own=True)
    let_index_show(ground.made.target, HISTORY_INDEX, "DELETE FROM history WHERE event_id = 2")
    ground.execute("UPDATE executions SET status = 'Completed', output = 'x'")
    before = contents(ground.made)
    plan = make_plan(ground.store, EVERY_CHECK)
    assert plan.changes
    assert all(f"{HISTORY_INDEX} does not show" in str(change.unsafe_because) for change in plan.changes)
    assert apply_plan(ground.store, plan).run is None
    assert contents(ground.made) == before


READY = "UPDATE pg_index SET indisready = {} WHERE indrelid = 'history'::regclass"


def test_index_that_lacks_an_end_stops_every_repair(prepare: Prepare) -> None:
    """As where a library that sorts texts was upgraded, or a copy went wrong: the table has the end."""
    ground = prepare("postgresql", drifted, own=True)
    ends = ground.execute("SELECT * FROM history WHERE event_id = 2")
    ground.execute("DELETE FROM history WHERE event_id = 2")
    ground.execute("VACUUM history")
    ground.execute(READY.format("false"))
    for end in ends:
        ground.execute(f"INSERT INTO history VALUES ({', '.join('?' * len(end))})", *end)
    ground.execute(READY.format("true"))
    ground.execute("UPDATE executions SET status = 'Completed', output = 'x'")
    before = contents(ground.made)
    plan = make_plan(ground.store, EVERY_CHECK)
    assert plan.changes
    assert all("Run REINDEX TABLE" in str(change.unsafe_because) for change in plan.changes)
    assert apply_plan(ground.store, plan).run is None
    assert contents(ground.made) == before


def test_index_that_is_not_valid_stops_every_repair(prepare: Prepare) -> None:
    ground = prepare("postgresql", drifted, own=True)
    ground.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'history_pkey'::regclass")
    plan = make_plan(ground.store, EVERY_CHECK)
    assert plan.changes
    assert all("history_pkey" in str(change.unsafe_because) for change in plan.changes)
    assert apply_plan(ground.store, plan).run is None


IGNORES = {
    "sqlite": "CREATE TRIGGER stranger BEFORE {} BEGIN SELECT raise(IGNORE); END",
    "postgresql": "CREATE TRIGGER stranger BEFORE {} FOR EACH ROW EXECUTE FUNCTION stranger()",
}
ABORTS = {**IGNORES, "sqlite": "CREATE TRIGGER stranger BEFORE {} BEGIN SELECT raise(ABORT, 'no'); END"}
FUNCTION = "CREATE FUNCTION stranger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; END $$"


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize(
    ("triggers", "does", "event"),
    [
        (IGNORES, "RETURN NULL", "INSERT ON history"),
        (ABORTS, "RAISE 'no'", "UPDATE ON executions"),
        (ABORTS, "RAISE 'no'", "DELETE ON orchestrator_queue"),
    ],
    ids=["swallows events", "aborts acks", "keeps messages"],
)
def test_trigger_of_a_stranger_stops_every_repair(
    flavour: str, triggers: dict[str, str], does: str, event: str, prepare: Prepare
) -> None:
    """A repair whose writes it swallows, or alters, does something else than its plan says."""

    def write(scribe: Scribe) -> None:
        drifted(scribe)
        if flavour == "postgresql":
            execute(scribe, FUNCTION.format(does))
        execute(scribe, triggers[flavour].format(event))

    ground = prepare(flavour, write, own=True)
    before = contents(ground.made)
    assert "S003" in {finding.check.id for finding in Scan(ground.store, EVERY_CHECK)}
    plan = make_plan(ground.store, EVERY_CHECK)
    assert {change.check for change in plan.changes} == {"E001"}
    assert all("stranger" in str(change.unsafe_because) for change in plan.changes)
    assert apply_plan(ground.store, plan).run is None
    assert contents(ground.made) == before


def test_json_says_why(prepare: Prepare) -> None:
    plan = make_plan(prepare("sqlite", for_a_ghost).store, EVERY_CHECK)
    (change,) = json.loads(json.dumps(plan.to_json()))["changes"]
    assert change["safety"] == "unsafe"
    assert EITHER in change["unsafe_because"]

"""An undo puts back what still fits: the store goes on after each repair, and then the run is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import Table, delete, select

from cases import e001_status_mismatch, k003_kv_store_mismatch, q001_dispatch_blocked, q013_activity_repeated
from cases.case import Write
from catalogue.conftest import Prepare
from catalogue.prefixed import PrefixedScribe
from catalogue.sources import EVERY_CHECK, case_of
from cli.helpers import Run
from conftest import ENGINES, FLAVOURS, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore, marks_of
from contents import Contents, contents
from engine.test_queues import dead_letter, orphaned_activity, stray_answer
from ground import Ground
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, activity_completed, completed, scheduled, started
from holystone.duroxide.tables import (
    executions,
    history,
    instance_locks,
    instances,
    kv_delta,
    kv_store,
    orchestrator_queue,
    worker_queue,
)
from holystone.mend.apply import Report, apply_plan
from holystone.mend.change import Change
from holystone.mend.journal import Run as Journaled
from holystone.mend.plan import make_plan
from holystone.mend.repair import repairs
from holystone.mend.runs import read_run
from holystone.mend.undo import undo_run
from holystone.scan.check import Check, NoRepair
from holystone.scan.scan import Scan
from holystone.store import Store

pytestmark = pytest.mark.slow


EVERY_UNSAFE = [repair.id for repair in repairs()]
OF_INSTANCES = (history, kv_delta, kv_store, orchestrator_queue, worker_queue, instance_locks, executions, instances)
REPAIRABLE = [check for check in EVERY_CHECK if not isinstance(check.repair, NoRepair)]
REPAIRING = [
    pytest.param(check, flavour, marks=marks_of(number + (flavour != "sqlite"), 4), id=f"{check.id}-{flavour}")
    for flavour in FLAVOURS
    for number, check in enumerate(REPAIRABLE)
    if flavour in check.flavours
]


def applied(store: Store) -> Journaled:
    report = apply_plan(store, make_plan(store, EVERY_CHECK), unsafe=EVERY_UNSAFE)
    assert (report.left, report.run is None) == (0, False)
    return read_run(store, str(report.run))


def undone(store: Store, run: Journaled) -> Report:
    return undo_run(store, read_run(store, run.run_id))


def named(change: Change) -> set[str]:
    """The instances that the row of a change says it is of, before and after."""
    images = (change.key, change.before or {}, change.after or {})
    return {str(image["instance_id"]) for image in images if isinstance(image.get("instance_id"), str)}


def scribe_of_now(scribe: Scribe, *names: str) -> Scribe:
    """Have the next execution begin just now."""
    time.sleep(0.01)
    scribe._clock_ms = now_ms() - 3_600_000 - 100
    return scribe


def used_again(scribe: Scribe, instance: str) -> None:
    """The instance is deleted, and another one is started with its id."""
    stored = scribe.connection.execute
    for table in OF_INSTANCES:
        stored(delete(table).where(table.c.instance_id == instance))
    scribe_of_now(scribe).execution(instance, started(), scheduled())


@pytest.mark.parametrize(("check", "flavour"), REPAIRING)
def test_nothing_is_put_into_another_life(check: Check, flavour: str, prepare: Prepare) -> None:
    """All ids are used again; nothing of the old instances comes back."""
    case = case_of(check)
    ground = prepare(flavour, case.broken, own=case.alters_schema)
    run = applied(ground.store)
    changes = [entry.change for entry in run.changes]
    with ground.store.transaction() as connection:
        scribe = Scribe(connection, ground.store.flavour, row_id=9_000)
        for instance in sorted(set().union(*map(named, changes))):
            used_again(scribe, instance)
    before = contents(ground.made)
    sound = {finding.fingerprint for finding in Scan(ground.store, EVERY_CHECK)}
    report = undone(ground.store, run)
    left = {change.row for change, _ in report.skipped}
    # A row of no instance, such as one of a queue that names none, belongs to no life.
    assert [change.row for change in changes if named(change) and change.row not in left] == []
    assert all(why for _, why in report.skipped)
    if report.applied == 0:
        assert contents(ground.made) == before
        assert {finding.fingerprint for finding in Scan(ground.store, EVERY_CHECK)} == sound


def test_every_repair_is_among_these() -> None:
    assert {check.repair for check in REPAIRABLE} == {repair.id for repair in repairs()}


def ended_since(scribe: Scribe, instance: str, execution_id: int, event_id: int) -> None:
    time.sleep(0.01)
    event = scribe.event(instance, execution_id, event_id, completed('"later"'), now_ms())
    assert event.event_id == event_id
    key = {"instance_id": instance, "execution_id": execution_id}
    scribe.change(executions, key, status="Completed", output='"later"')
    for queue in (orchestrator_queue, worker_queue):
        scribe.connection.execute(delete(queue).where(queue.c.instance_id == instance))


@pytest.mark.parametrize(("check", "flavour"), REPAIRING)
def test_nothing_is_put_into_what_has_ended(check: Check, flavour: str, prepare: Prepare) -> None:
    """What was alive ends after the repair."""
    case = case_of(check)
    ground = prepare(flavour, case.broken, own=case.alters_schema)
    run = applied(ground.store)
    touched = set().union(*(named(entry.change) for entry in run.changes))
    ended: set[str] = set()
    with ground.store.transaction() as connection:
        scribe = Scribe(connection, ground.store.flavour)
        rows = select(executions.c.instance_id, executions.c.execution_id).where(executions.c.status == "Running")
        for instance, execution_id in connection.execute(rows).all():
            events = select(history.c.event_id).where(
                history.c.instance_id == instance, history.c.execution_id == execution_id
            )
            ids = connection.execute(events).scalars().all()
            if instance in touched and ids and max(ids) < 1_000:
                ended_since(scribe, instance, execution_id, max(ids) + 1)
                ended.add(instance)
    before = rows_of(ground, ended)
    report = undone(ground.store, run)
    assert rows_of(ground, ended) == before
    left = set().union(*(named(change) for change, _ in report.skipped), set())
    assert ended <= left


def rows_of(ground: Ground, ids: set[str]) -> Mapping[str, Any]:
    """The rows of these instances."""
    with ground.store.snapshot() as connection:
        return {
            f"{table.name} {instance}": sorted(map(str, connection.execute(_of(table, instance)).all()))
            for table in OF_INSTANCES
            for instance in sorted(ids)
        }


def _of(table: Table, instance: str) -> Any:
    return select(*(column for column in table.c)).where(table.c.instance_id == instance)


# What goes on without an instance that starts or ends.


def answered_meanwhile(scribe: Scribe) -> None:
    """The activity that was queued twice has been run, once."""
    scribe.connection.execute(delete(worker_queue).where(worker_queue.c.instance_id == "doubled"))
    scribe.event("doubled", 1, 3, activity_completed(), now_ms())


def key_written_meanwhile(scribe: Scribe) -> None:
    rows = scribe.connection.execute(select(kv_store.c.instance_id, kv_store.c.key)).all()
    for instance, key in rows:
        scribe.change(kv_store, {"instance_id": instance, "key": key}, value="newer")


def instance_begun_meanwhile(scribe: Scribe) -> None:
    """Messages that were nobody's are somebody's now."""
    for name in ("raised", "cancelled", "completed", "fired", "told"):
        scribe_of_now(scribe).execution(name, started(), scheduled())


def history_torn_meanwhile(scribe: Scribe) -> None:
    """What the repair went by cannot be read any more."""
    scribe.connection.execute(history.update().where(history.c.event_id == 1).values(event_data="{"))


MOVES: list[tuple[Write, Callable[[Scribe], None], str]] = [
    (q013_activity_repeated.CASE.broken, answered_meanwhile, "doubled"),
    (k003_kv_store_mismatch.CASE.broken, key_written_meanwhile, ""),
    (q001_dispatch_blocked.CASE.broken, instance_begun_meanwhile, ""),
    (e001_status_mismatch.CASE.broken, history_torn_meanwhile, ""),
]


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize(("broken", "move", "only"), MOVES, ids=[move.__name__ for _, move, _ in MOVES])
def test_what_moved_on_is_left_and_named(
    prepare: Prepare, flavour: str, broken: Write, move: Callable[[Scribe], None], only: str
) -> None:
    ground = prepare(flavour, broken)
    run = applied(ground.store)
    with ground.store.transaction() as connection:
        move(Scribe(connection, ground.store.flavour, row_id=9_000))
    report = undone(ground.store, run)
    of_it = [entry.change for entry in run.changes if only in ("", *named(entry.change))]
    assert of_it
    left = {change.row for change, _ in report.skipped}
    kept = [change for change in of_it if change.row not in left and named(change)]
    if move is key_written_meanwhile:  # a key that was removed, and is not there, may come back
        kept = [change for change in kept if change.table == "kv_store" and change.after is not None]
    assert kept == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_rest_is_put_back(prepare: Prepare, flavour: str) -> None:
    """One instance that moved on keeps no other from what it was."""

    def broken(scribe: Scribe) -> None:
        for name in ("one", "two", "three"):
            scribe.execution(name, started(), completed())
            scribe.change(executions, {"instance_id": name}, status="Running", output=None)

    ground = prepare(flavour, broken)
    run = applied(ground.store)
    with ground.store.transaction() as connection:
        used_again(Scribe(connection, ground.store.flavour), "two")
    report = undone(ground.store, run)
    assert (report.applied, report.left) == (2, 1)
    ((change, why),) = report.skipped
    assert (change.key["instance_id"], "'two' was used again" in why) == ("two", True)
    states: dict[str, Any] = dict(
        ground.execute("SELECT instance_id, output FROM executions WHERE instance_id <> 'two'")
    )
    assert states == {"one": None, "three": None}


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_cases_at_once_come_back(prepare: Prepare, flavour: str) -> None:
    """With nothing moved on, an undo restores every row, byte for byte, of several passes as well."""

    def everything(scribe: Scribe) -> None:
        for check in EVERY_CHECK:
            if flavour in check.flavours and not case_of(check).alters_schema:
                case_of(check).broken(PrefixedScribe(scribe, check.id))

    ground = prepare(flavour, everything)
    before = contents(ground.made)
    plan = make_plan(ground.store, EVERY_CHECK)
    report = apply_plan(ground.store, plan, unsafe=EVERY_UNSAFE)
    back = undo_run(ground.store, read_run(ground.store, str(report.run)))
    assert [(change.check, change.row, why) for change, why in back.skipped] == []
    assert contents(ground.made) == before


# The engine itself goes on.


def repaired_run(run: Run, store: EngineStore) -> str:
    options = ["--yes", "--unsafe", "park-message", "--race-window", "0", "--level", "deep", "--format", "json"]
    done = run("repair", "apply", *store.arguments, *options)
    assert (done.status, done.json["left"]) == (0, 0), done.err
    return str(done.json["run"])


def undo_by_command(run: Run, store: EngineStore, run_id: str) -> Any:
    done = run("repair", "undo", store.target, run_id, *store.arguments[1:], "--yes", "--format", "json")
    assert done.status in (0, 1), done.err
    return done.json


def statuses(store: EngineStore) -> dict[str, str]:
    return {name: one["status"] for name, one in store.admin("statuses").items()}


def left_alone(run: Run, store: EngineStore, run_id: str, words: str) -> None:
    """Undo puts nothing back, says why, and the engine runs on as if nobody had asked."""
    before: Contents = contents(store)
    told = undo_by_command(run, store, run_id)
    assert (told["applied"], told["left"]) == (0, 1)
    assert words in told["skipped"][0]["why"]
    assert contents(store) == before
    store.run("start", "after", "Work", "1")
    store.run("run", "--seconds", "1.5")
    assert statuses(store)["after"] == "Completed"


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize("make", [dead_letter, pytest.param(orphaned_activity, marks=pytest.mark.long)])
def test_the_engine_uses_an_id_again(engine_store: MakeStore, flavour: Flavour, run: Run, make: Any) -> None:
    store = engine_store(ENGINES[-1], flavour, ["waiting"])
    make(store)
    run_id = repaired_run(run, store)
    store.run("start", "nobody", "WaitForGo", "1")
    store.run("run", "--seconds", "1")
    assert statuses(store)["nobody"] == "Running"
    left_alone(run, store, run_id, "the id 'nobody' was used again after the run")
    assert statuses(store)["nobody"] == "Running"


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_the_engine_ends_an_instance(engine_store: MakeStore, flavour: Flavour, run: Run) -> None:
    store = engine_store(ENGINES[-1], flavour, ["waiting"])
    stray_answer(store)
    run_id = repaired_run(run, store)
    store.run("raise-event", "waiting", "go", "1")
    store.run("run", "--seconds", "1")
    assert statuses(store)["waiting"] == "Completed"
    left_alone(run, store, run_id, "the instance 'waiting' ended after the run")


def test_the_engine_goes_on_after_an_undo(engine_store: MakeStore, flavour: Flavour, run: Run) -> None:
    """What is put back is what the engine has always had: it does with it what it would have done."""
    store = engine_store(ENGINES[-1], flavour, ["waiting"])
    stray_answer(store)
    damaged = contents(store)
    told = undo_by_command(run, store, repaired_run(run, store))
    assert (told["applied"], told["left"]) == (1, 0)
    assert contents(store) == damaged
    store.run("run", "--seconds", "1")
    assert statuses(store)["waiting"] == "Failed"

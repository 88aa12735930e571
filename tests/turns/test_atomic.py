"""An ack that dies between any two of its statements leaves all of the turn or none of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from holystone.store import Store, WorkItem
from turns.kit import Kit


class Crash(BaseException):
    """As if the process had died here."""


GIVEN_UP = "ActivityCancelRequested"


def first_turn(kit: Kit, lock_token: str) -> None:
    """Ack a turn that begins an instance and asks for what there is to ask for."""
    kit.store.ack_orchestration_item(
        lock_token,
        1,
        history_delta=[
            kit.started("a"),
            kit.event("a", 2, "ActivityScheduled", name="Charge", input="{}"),
            kit.event("a", 3, "ActivityScheduled", name="Charge", input="{}"),
            kit.event("a", 4, "KeyValueSet", key="k", value="1", last_updated_at_ms=5),
            kit.event("a", 5, "KeyValuesCleared"),
            kit.event("a", 6, "CustomStatusUpdated", status="busy"),
            kit.event("a", 7, GIVEN_UP, source_event_id=3, reason="dropped_future"),
        ],
        worker_items=[kit.activity("a"), kit.activity("a", 3)],
        cancelled_activities=[("a", 1, 3)],
    )


def last_turn(kit: Kit, lock_token: str) -> None:
    """Ack a turn that ends the execution, and with it the activity that still waits."""
    kit.store.ack_orchestration_item(
        lock_token,
        1,
        history_delta=[
            kit.event("a", 8, "OrchestrationContinuedAsNew", input="2"),
            kit.event("a", 9, GIVEN_UP, source_event_id=2, reason="orchestration_terminal_continued_as_new"),
        ],
        orchestrator_items=[
            WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="2", version=None)
        ],
        cancelled_activities=[("a", 1, 2)],
    )


def crash_before(store: Store, statement: int) -> None:
    """Let the store die when it is about to run its n-th statement."""
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise Crash

    event.listen(store._writer, "before_cursor_execute", count)


def test_ack_is_all_or_nothing(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.start("a")
    for turn, statements in ((first_turn, 10), (last_turn, 12)):
        token = kit.fetch().lock_token
        before = contents(made)
        crashes = 0
        while True:
            store = Store.open(made.target, made.schema)
            crash_before(store, crashes + 1)
            try:
                turn(Kit(store), token)
            except Crash:
                crashes += 1
                assert contents(made) == before, f"statement {crashes} left something behind"
            else:
                break
        assert crashes > statements
        if turn is first_turn:
            ((given_up,),) = made.execute("SELECT count(*) FROM worker_queue")
            assert given_up == 1
            kit.poke("a")
    assert_whole(made)


def assert_whole(made: EngineStore) -> None:
    held = {table: len(rows) for table, rows in contents(made).items()}
    assert (held["history"], held["worker_queue"], held["orchestrator_queue"]) == (9, 0, 1)
    assert (held["instance_locks"], held["kv_delta"], held["kv_store"]) == (0, 0, 0)
    assert made.execute("SELECT status, output FROM executions") == [("ContinuedAsNew", "2")]


def test_unknown_instance_is_not_found(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    store = Store.open(made.target, made.schema)
    assert store.get_status("nobody").status == "NotFound"
    assert store.read_history("nobody") == []


@pytest.mark.parametrize("scenario", ["chains", "failed", "custom-statuses", "queues", "parents"])
def test_status_is_the_engines_own(engine_store: MakeStore, flavour: Flavour, scenario: str) -> None:
    made = engine_store(ENGINES[-1], flavour, [scenario])
    store = Store.open(made.target, made.schema, read_only=True)
    theirs = made.admin("statuses")
    assert theirs
    for instance_id, status in theirs.items():
        ours = store.get_status(instance_id)
        assert (ours.status, ours.custom_status) == (status["status"], status["custom_status"]), instance_id

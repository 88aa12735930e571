"""What a caller may not write: a typed error that names instance and execution, and not a value changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.errors import (
    DeletionError,
    ExecutionEndedError,
    HolystoneError,
    InvalidTurnError,
    LockLostError,
    ReadOnlyError,
    RecordError,
    SchemaTooOldError,
    StoreUnavailableError,
    UnknownInstanceError,
)
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem, WorkLease
from holystone.store.turns.records import InstanceFilter
from holystone.store.turns.sessions import SessionFetchConfig
from holystone.store.turns.tags import TagFilter
from holystone.store.turns.taken import ANSWERED_IN
from turns.conftest import Clock
from turns.kit import LOCK_MS, Kit

HUGE = 2**63
FAR_MS = 4_000_000_000_000


@dataclass
class Scene:
    """Instance `a` runs with a turn and an activity fetched, `over` has ended with a turn fetched, `new` is fetched."""

    kit: Kit
    running: OrchestrationItem
    over: OrchestrationItem
    new: OrchestrationItem
    work: WorkLease

    @property
    def store(self) -> Store:
        return self.kit.store

    def ack(self, *delta: Event, execution_id: int = 1, item: OrchestrationItem | None = None, **more: Any) -> None:
        token = (item or self.running).lock_token
        self.store.ack_orchestration_item(token, execution_id, history_delta=delta, **more)

    def subscribed(self, event_id: int, instance_id: str = "a", execution_id: int = 1) -> Event:
        return self.kit.event(instance_id, event_id, "ExternalSubscribed", execution_id, name="go")

    def started(self, instance_id: str, execution_id: int) -> Event:
        return self.kit.started(instance_id, execution_id)

    def end(self, event_id: int, output: str = "1") -> Event:
        return self.kit.event("a", event_id, "OrchestrationCompleted", output=output)


@pytest.fixture
def scene(kit: Kit) -> Iterator[Scene]:
    kit.finish("over")
    kit.employ("a")
    kit.poke("over")
    kit.poke("a")
    kit.start("new")
    fetched = {item.instance_id: item for item in (kit.fetch(), kit.fetch(), kit.fetch())}
    yield Scene(kit, fetched["a"], fetched["over"], fetched["new"], kit.work())
    kit.store.delete_instances_atomic(["a", "over"], force=True)


def again(instance_id: str) -> WorkItem:
    """Return the message that begins an instance's next execution."""
    return WorkItem.new("ContinueAsNew", instance=instance_id, orchestration="Order", input="{}", version=None)


FAILURE = {"Application": {"kind": "OrchestrationFailed", "message": "boom", "retryable": False}}
START: dict[str, Any] = {
    "name": "Order",
    "version": "1.0.0",
    "input": "{}",
    "parent_instance": None,
    "parent_id": None,
}
Call = Callable[[Scene], object]
BAD: dict[str, tuple[Call, type[HolystoneError], str]] = {
    "ack with a wrong token": (
        lambda scene: scene.store.ack_orchestration_item("no token", 1),
        LockLostError,
        "'no token'",
    ),
    "abandon with a wrong token": (
        lambda scene: scene.store.abandon_orchestration_item("no token"),
        LockLostError,
        "'no token'",
    ),
    "renew with a wrong token": (
        lambda scene: scene.store.renew_orchestration_item_lock("no token", 1000),
        LockLostError,
        "'no token'",
    ),
    "ack an activity with a wrong token": (
        lambda scene: scene.store.ack_work_item("no token"),
        LockLostError,
        "'no token'",
    ),
    "abandon an activity with a wrong token": (
        lambda scene: scene.store.abandon_work_item("no token"),
        LockLostError,
        "'no token'",
    ),
    "renew an activity with a wrong token": (
        lambda scene: scene.store.renew_work_item_lock("no token", 1000),
        LockLostError,
        "'no token'",
    ),
    "ack an activity with a turn's token": (
        lambda scene: scene.store.ack_work_item(scene.running.lock_token),
        LockLostError,
        "No activity is locked",
    ),
    "ack a turn with an activity's token": (
        lambda scene: scene.store.ack_orchestration_item(scene.work.lock_token, 1),
        LockLostError,
        "No turn is locked",
    ),
    "event id zero": (lambda scene: scene.ack(scene.subscribed(0)), InvalidTurnError, "'a', execution 1,.* id 0"),
    "event id beyond the database's numbers": (
        lambda scene: scene.ack(scene.subscribed(HUGE)),
        InvalidTurnError,
        f"'a', execution 1,.* id {HUGE}",
    ),
    "event id twice": (
        lambda scene: scene.ack(scene.subscribed(3), scene.subscribed(3)),
        InvalidTurnError,
        "'a', execution 1, has two events with the id 3",
    ),
    "event id taken": (
        lambda scene: scene.ack(scene.subscribed(2), scene.subscribed(3)),
        InvalidTurnError,
        "Execution 1 of 'a' goes as far as the event with the id 2 already",
    ),
    "event of another execution": (
        lambda scene: scene.ack(scene.subscribed(3, execution_id=2)),
        InvalidTurnError,
        "'a', execution 1, has event 3 of 'a', execution 2",
    ),
    "event of another instance": (
        lambda scene: scene.ack(scene.subscribed(3, "b")),
        InvalidTurnError,
        "'a', execution 1, has event 3 of 'b', execution 1",
    ),
    "two terminal events": (
        lambda scene: scene.ack(scene.end(3), scene.end(4)),
        InvalidTurnError,
        "'a', execution 1, has 2 terminal events",
    ),
    "events after the terminal one": (
        lambda scene: scene.ack(scene.end(3), scene.subscribed(4)),
        InvalidTurnError,
        "'a', execution 1, has event 4, a ExternalSubscribed, after event 3, which ends it",
    ),
    "gap before the events": (
        lambda scene: scene.ack(scene.subscribed(4)),
        InvalidTurnError,
        "Execution 1 of 'a' goes as far as the event with the id 2 already; event 4 cannot be appended",
    ),
    "gap between the events": (
        lambda scene: scene.ack(scene.subscribed(3), scene.subscribed(5)),
        InvalidTurnError,
        "'a', execution 1, has event 5 right after event 3",
    ),
    "events out of order": (
        lambda scene: scene.ack(scene.subscribed(4), scene.subscribed(3)),
        InvalidTurnError,
        "'a', execution 1, has event 3 right after event 4",
    ),
    "given up as nothing else is": (
        lambda scene: scene.ack(scene.subscribed(99_999)),
        InvalidTurnError,
        "event 99999 cannot be appended",
    ),
    "second start": (
        lambda scene: scene.ack(scene.kit.event("a", 3, "OrchestrationStarted", **START)),
        InvalidTurnError,
        "'a', execution 1, has event 3, of the type OrchestrationStarted",
    ),
    "start that is not the first event": (
        lambda scene: scene.ack(scene.kit.event("new", 2, "OrchestrationStarted", **START), item=scene.new),
        InvalidTurnError,
        "Execution 1 of 'new' has no event yet; event 2 cannot be its first",
    ),
    "first event that is no start": (
        lambda scene: scene.ack(
            scene.subscribed(1, "new"),
            item=scene.new,
            metadata=ExecutionMetadata(orchestration_name="Order", orchestration_version="1.0.0"),
        ),
        UnknownInstanceError,
        "no instance 'new'",
    ),
    "execution zero": (
        lambda scene: scene.ack(execution_id=0),
        InvalidTurnError,
        "Execution 0 of 'a', whose current execution is 1, cannot have a turn",
    ),
    "negative execution": (
        lambda scene: scene.ack(scene.started("new", -1), execution_id=-1, item=scene.new),
        RecordError,
        "'new'",
    ),
    "execution far ahead": (
        lambda scene: scene.ack(scene.started("a", 3), execution_id=3),
        InvalidTurnError,
        "Execution 3 of 'a', whose current execution is 1, cannot have a turn",
    ),
    "first turn of a later execution": (
        lambda scene: scene.ack(scene.started("new", 2), execution_id=2, item=scene.new),
        InvalidTurnError,
        "Execution 2 of 'new', which has yet to begin, cannot have a turn",
    ),
    "next execution of one that runs": (
        lambda scene: scene.ack(scene.started("a", 2), execution_id=2),
        InvalidTurnError,
        "Execution 2 of 'a' cannot begin: execution 1 has not ended with OrchestrationContinuedAsNew",
    ),
    "next execution of one that has completed": (
        lambda scene: scene.ack(scene.started("over", 2), execution_id=2, item=scene.over),
        InvalidTurnError,
        "Execution 2 of 'over' cannot begin: execution 1 has not ended with OrchestrationContinuedAsNew",
    ),
    "continuing without a message": (
        lambda scene: scene.ack(scene.kit.event("a", 3, "OrchestrationContinuedAsNew", input="{}")),
        InvalidTurnError,
        "'a', execution 1, has event 3, OrchestrationContinuedAsNew, and no ContinueAsNew that goes with it",
    ),
    "continuing with a message for another": (
        lambda scene: scene.ack(
            scene.kit.event("a", 3, "OrchestrationContinuedAsNew", input="{}"), orchestrator_items=[again("b")]
        ),
        InvalidTurnError,
        "'a', execution 1, has event 3, OrchestrationContinuedAsNew, and no ContinueAsNew that goes with it",
    ),
    "message to continue without an event": (
        lambda scene: scene.ack(scene.subscribed(3), orchestrator_items=[again("a")]),
        InvalidTurnError,
        "'a', execution 1, has ContinueAsNew for 'a', and no event that asks for it",
    ),
    "giving up an activity that stays in the queue": (
        lambda scene: scene.ack(
            scene.kit.event("a", 3, "ActivityCancelRequested", source_event_id=2, reason="dropped_future")
        ),
        InvalidTurnError,
        "'a', execution 1, gives up activity 2, and leaves it in the queue",
    ),
    "activity of an earlier turn": (
        lambda scene: scene.ack(scene.subscribed(3), worker_items=[scene.kit.activity("a", 2)]),
        InvalidTurnError,
        "'a', execution 1, has ActivityExecute for 'a', event 2, and no event that asks for it",
    ),
    "activity of another instance": (
        lambda scene: scene.ack(
            scene.kit.event("a", 3, "ActivityScheduled", name="Charge", input="{}"),
            worker_items=[scene.kit.activity("over", 3)],
        ),
        InvalidTurnError,
        "'a', execution 1, has event 3, ActivityScheduled, and no ActivityExecute that goes with it",
    ),
    "keep less than nothing": (
        lambda scene: scene.store.prune_executions("a", keep_last=-1),
        DeletionError,
        "-1 executions can be kept",
    ),
    "keep less than nothing of many": (
        lambda scene: scene.store.prune_executions_bulk(InstanceFilter(), keep_last=-1),
        DeletionError,
        "-1 executions can be kept",
    ),
    "more than can be deleted at once": (
        lambda scene: scene.store.delete_instances_atomic(["a"] * 70_000),
        DeletionError,
        "70000 instances are too many for one transaction",
    ),
    "less than no instance": (
        lambda scene: scene.store.delete_instance_bulk(InstanceFilter(limit=-1)),
        DeletionError,
        "cannot take -1 instances",
    ),
    "events for a finished execution": (
        lambda scene: scene.ack(scene.subscribed(3, "over"), item=scene.over),
        ExecutionEndedError,
        "Execution 1 of 'over' has ended with event 2",
    ),
    "metadata that contradicts the events": (
        lambda scene: scene.ack(scene.end(3), metadata=ExecutionMetadata(status="Failed", output="1")),
        InvalidTurnError,
        "'a', execution 1, claims the status Failed",
    ),
    "name that contradicts the events": (
        lambda scene: scene.ack(
            scene.kit.started("new", name="Order"),
            item=scene.new,
            metadata=ExecutionMetadata(orchestration_name="Refund", orchestration_version="1.0.0"),
        ),
        InvalidTurnError,
        "'new', execution 1, claims the orchestration_name 'Refund', and its events say 'Order'",
    ),
    "status without an event": (
        lambda scene: scene.ack(metadata=ExecutionMetadata(status="Completed", output="1")),
        InvalidTurnError,
        "'a', execution 1, claims the status Completed",
    ),
    "unknown instance, events": (
        lambda scene: scene.ack(scene.subscribed(1, "new"), item=scene.new),
        UnknownInstanceError,
        "no instance 'new', and the turn of its execution 1",
    ),
    "unknown instance, no events": (
        lambda scene: scene.ack(item=scene.new),
        UnknownInstanceError,
        "no instance 'new', and the turn of its execution 1",
    ),
    "unknown instance, named by metadata only": (
        lambda scene: scene.ack(
            item=scene.new, metadata=ExecutionMetadata(orchestration_name="Order", orchestration_version="1.0.0")
        ),
        UnknownInstanceError,
        "no instance 'new'",
    ),
    "orchestrator's message for the worker": (
        lambda scene: scene.ack(worker_items=[scene.kit.completion("a")]),
        InvalidTurnError,
        "ActivityCompleted for 'a' is nothing for the worker queue",
    ),
    "worker's message for the orchestrator": (
        lambda scene: scene.ack(orchestrator_items=[scene.kit.activity("a")]),
        InvalidTurnError,
        "ActivityExecute for 'a' is nothing for the orchestrator queue",
    ),
    "message for nobody": (
        lambda scene: scene.store.enqueue_for_orchestrator(WorkItem.new("FromALaterEngine", name="x")),
        InvalidTurnError,
        "FromALaterEngine is nothing for the orchestrator queue",
    ),
    "timer after the end of time": (
        lambda scene: scene.kit.send("TimerFired", instance="a", execution_id=1, id=2, fire_at_ms=2**64 - 1),
        InvalidTurnError,
        "TimerFired for 'a' is due after the last moment of the database",
    ),
    "completion that is none": (
        lambda scene: scene.store.ack_work_item(scene.work.lock_token, scene.kit.activity("a")),
        InvalidTurnError,
        "ActivityExecute for 'a' completes no activity",
    ),
}


def test_bad_input_is_refused_and_nothing_is_written(scene: Scene, made: EngineStore) -> None:
    before = contents(made)
    for what, (call, error, said) in BAD.items():
        try:
            with pytest.raises(error, match=said) as raised:
                call(scene)
        except Exception as wrong:
            wrong.add_note(what)
            raise
        assert raised.value.next_step, what
    assert contents(made) == before


def test_number_too_great_for_the_database_is_refused(scene: Scene, made: EngineStore) -> None:
    set_key: dict[str, Any] = {"key": "k", "value": "1", "last_updated_at_ms": HUGE}
    calls: list[Callable[[], None]] = [
        lambda: scene.ack(execution_id=HUGE),
        lambda: scene.store.enqueue_for_worker(scene.kit.activity("a", HUGE)),
        lambda: scene.ack(scene.kit.event("a", 3, "KeyValueSet", **set_key)),
    ]
    before = contents(made)
    for call in calls:
        with pytest.raises((InvalidTurnError, StoreUnavailableError), match=r"great|range"):
            call()
    assert contents(made) == before


def again_fetched(kit: Kit) -> str:
    """Return the token of a turn that holds the message to begin execution 2, which nobody has begun."""
    kit.begin("loop")
    continued = ("OrchestrationContinuedAsNew", {"input": "{}"})
    kit.turn("loop", continued, messages=[again("loop")])
    return kit.fetch().lock_token


def test_message_that_begins_an_execution_is_taken_by_its_first_turn_alone(kit: Kit, made: EngineStore) -> None:
    token = again_fetched(kit)
    before = contents(made)
    with pytest.raises(InvalidTurnError, match="'loop', execution 1, takes the ContinueAsNew message and begins no"):
        kit.store.ack_orchestration_item(token, 1)
    assert contents(made) == before
    kit.store.ack_orchestration_item(token, 2, history_delta=[kit.started("loop", 2)])
    kit.store.delete_instances_atomic(["loop"], force=True)


def test_execution_begins_with_the_message_for_it(kit: Kit, made: EngineStore) -> None:
    """A poke that is fetched while the message to begin waits for another time begins nothing."""
    kit.store.abandon_orchestration_item(again_fetched(kit), 3_600_000)
    kit.poke("loop")
    token = kit.fetch().lock_token
    before = contents(made)
    with pytest.raises(InvalidTurnError, match="'loop', execution 2, begins an execution, and takes no ContinueAsNew"):
        kit.store.ack_orchestration_item(token, 2, history_delta=[kit.started("loop", 2)])
    assert contents(made) == before
    kit.store.delete_instances_atomic(["loop"], force=True)


def answers_to(kit: Kit) -> dict[str, WorkItem]:
    """Return one answer of each kind, for the events 2, 3 and 4 of an instance `asks`."""
    of: dict[str, Any] = {"instance": "asks", "execution_id": 1}
    of_child: dict[str, Any] = {"parent_instance": "asks", "parent_execution_id": 1, "parent_id": 4}
    return {
        "ActivityCompleted": WorkItem.new("ActivityCompleted", **of, id=2, result="1"),
        "ActivityFailed": WorkItem.new("ActivityFailed", **of, id=2, details=FAILURE),
        "TimerFired": WorkItem.new("TimerFired", **of, id=3, fire_at_ms=1),
        "SubOrchCompleted": WorkItem.new("SubOrchCompleted", **of_child, result="1"),
        "SubOrchFailed": WorkItem.new("SubOrchFailed", **of_child, details=FAILURE),
    }


@pytest.mark.parametrize("kind", ANSWERED_IN)
def test_answer_is_not_dropped(kit: Kit, made: EngineStore, kind: str) -> None:
    """The message would be gone, and who asked would wait for ever."""
    kit.begin(
        "asks",
        kit.event("asks", 2, "ActivityScheduled", name="Charge", input="{}"),
        kit.event("asks", 3, "TimerCreated", fire_at_ms=FAR_MS),
        kit.event("asks", 4, "SubOrchestrationScheduled", name="Child", instance="sub::4", input="{}"),
        activities=[kit.activity("asks")],
        messages=[
            WorkItem.new("TimerFired", instance="asks", execution_id=1, id=3, fire_at_ms=FAR_MS),
            kit.starting("asks::sub::4", "Child", parent_instance="asks", parent_id=4),
        ],
    )
    kit.store.enqueue_for_orchestrator(answers_to(kit)[kind])
    token = next(item.lock_token for item in (kit.fetch(), kit.fetch()) if item.instance_id == "asks")
    before = contents(made)
    for delta in ([], [kit.event("asks", 5, "ExternalSubscribed", name="go")]):
        with pytest.raises(InvalidTurnError, match=f"'asks', execution 1, takes the {kind} for event"):
            kit.store.ack_orchestration_item(token, 1, history_delta=delta)
        assert contents(made) == before
    kit.store.delete_instances_atomic(["asks"], force=True)


EXPIRED: list[Call] = [
    lambda scene: scene.ack(scene.subscribed(3), worker_items=[scene.kit.activity("a", 3)]),
    lambda scene: scene.store.renew_orchestration_item_lock(scene.running.lock_token, 1000),
    lambda scene: scene.store.ack_work_item(scene.work.lock_token, scene.kit.completion("a")),
    lambda scene: scene.store.renew_work_item_lock(scene.work.lock_token, 1000),
]


def test_expired_lock_is_worth_nothing(clock: Clock, scene: Scene, made: EngineStore) -> None:
    """Nor is it when others have taken over what it locked."""
    clock.pass_ms(LOCK_MS)
    for taken_over in (False, True):
        if taken_over:
            while scene.store.fetch_orchestration_item(LOCK_MS):
                pass
            assert scene.kit.has_work
        before = contents(made)
        for call in EXPIRED:
            with pytest.raises(LockLostError, match="or no longer"):
                call(scene)
        assert contents(made) == before


def test_cancels_may_follow_the_end_in_its_own_turn(kit: Kit) -> None:
    """As the engine writes them, for the activities that the end has found at work."""
    kit.employ("a")
    end, cancel = kit.event("a", 3, "OrchestrationCompleted", output="1"), "ActivityCancelRequested"
    kit.poke("a")
    kit.store.ack_orchestration_item(
        kit.fetch().lock_token,
        1,
        history_delta=[end, kit.event("a", 4, cancel, source_event_id=2, reason="orchestration_terminal_completed")],
        cancelled_activities=[("a", 1, 2)],
    )
    kit.poke("a")
    item = kit.fetch()
    with pytest.raises(ExecutionEndedError, match="has ended with event 3"):
        kit.store.ack_orchestration_item(
            item.lock_token, 1, history_delta=[kit.event("a", 5, cancel, source_event_id=2, reason="x")]
        )
    kit.store.ack_orchestration_item(item.lock_token, 1)
    assert not kit.has_work


def test_end_is_found_behind_whatever_lies_after_it(kit: Kit, made: EngineStore) -> None:
    """By the row's status, too: a history that somebody has written to beyond its end is not continued."""
    kit.finish("a")
    stray = kit.event("a", 3, "ExternalSubscribed", name="go")
    made.execute(
        "INSERT INTO history (instance_id, execution_id, event_id, event_type, event_data, created_at)"
        " SELECT instance_id, execution_id, 3, event_type, ?, created_at FROM history WHERE event_id = 2",
        stray.to_json(),
    )
    kit.poke("a")
    item = kit.fetch()
    with pytest.raises(ExecutionEndedError, match="Execution 1 of 'a' has ended with event 2"):
        kit.store.ack_orchestration_item(
            item.lock_token, 1, history_delta=[kit.event("a", 4, "ExternalSubscribed", name="go")]
        )
    kit.store.delete_instance("a", force=True)


def test_end_is_found_where_the_status_does_not_tell_it(kit: Kit, made: EngineStore) -> None:
    kit.finish("a")
    made.execute("UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL")
    kit.poke("a")
    item = kit.fetch()
    before = contents(made)
    with pytest.raises(ExecutionEndedError, match="Execution 1 of 'a' has ended with event 2"):
        kit.store.ack_orchestration_item(
            item.lock_token, 1, history_delta=[kit.event("a", 3, "OrchestrationCompleted", output="2")]
        )
    assert contents(made) == before
    kit.store.delete_instance("a", force=True)


def test_late_message_between_executions_is_acked_away(kit: Kit, made: EngineStore) -> None:
    """The engine acks it with no event; the next execution begins with its own message, and with an event."""
    kit.begin("a")
    kit.turn("a", ("OrchestrationContinuedAsNew", {"input": "{}"}), messages=[again("a")])
    item = kit.fetch()
    kit.poke("a")
    before = contents(made)
    with pytest.raises(InvalidTurnError, match="Execution 2 of 'a' cannot begin without an event"):
        kit.store.ack_orchestration_item(item.lock_token, 2)
    end = kit.event("a", 99_999, "OrchestrationFailed", 2, details=FAILURE)
    with pytest.raises(InvalidTurnError, match="Execution 2 of 'a' has no event yet; event 99999"):
        kit.store.ack_orchestration_item(item.lock_token, 2, history_delta=[end])
    assert contents(made) == before
    kit.store.ack_orchestration_item(item.lock_token, 2, history_delta=[kit.started("a", 2)])
    item = kit.fetch()
    with pytest.raises(InvalidTurnError, match="Execution 1 of 'a', whose current execution is 2, cannot have a turn"):
        kit.store.ack_orchestration_item(item.lock_token, 1)
    kit.store.ack_orchestration_item(item.lock_token, 2)
    assert kit.store.list_execution_ids("a") == [1, 2]


def test_filter_may_name_any_number_of_instances(kit: Kit) -> None:
    kit.finish("a")
    named = InstanceFilter([*(f"nobody-{number}" for number in range(70_000)), "a"])
    assert kit.store.prune_executions_bulk(named, keep_last=1).instances_processed == 1
    assert kit.store.delete_instance_bulk(named).instances_deleted == 1


def test_store_opened_to_be_read_is_not_written_to(kit: Kit, made: EngineStore) -> None:
    store = Store.open(made.target, made.schema, read_only=True)
    for operation in OPERATIONS:
        with pytest.raises(ReadOnlyError, match="opened to be read only") as raised:
            operation(Kit(store))
        assert "read_only" in raised.value.next_step


# A store of an older schema

OLDER = {
    "DROP TABLE kv_delta": "lacks kv_delta, which",
    "ALTER TABLE instances DROP COLUMN custom_status": "lacks instances.custom_status, which",
}
OPERATIONS: list[Callable[[Kit], object]] = [
    lambda kit: kit.store.fetch_orchestration_item(LOCK_MS),
    lambda kit: kit.store.ack_orchestration_item("token", 1),
    lambda kit: kit.start("b"),
    lambda kit: kit.store.fetch_work_item(LOCK_MS),
    lambda kit: kit.store.delete_instance("a", force=True),
    lambda kit: kit.store.prune_executions("a"),
]


@pytest.mark.parametrize("change", OLDER)
def test_older_schema_is_named_and_not_written_to(engine_store: MakeStore, flavour: Flavour, change: str) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    Kit(Store.open(made.target, made.schema)).finish("a")
    made.execute(change)
    kit = Kit(Store.open(made.target, made.schema))
    before = contents(made)
    for operation in OPERATIONS:
        with pytest.raises(SchemaTooOldError, match=OLDER[change]) as raised:
            operation(kit)
        assert "newer engine" in raised.value.next_step
    assert contents(made) == before
    assert kit.store.get_status("a").status == "Completed"
    assert len(kit.store.read_history("a")) == 2


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_numbers_beyond_those_of_a_database(kit: Kit, number: int) -> None:
    """The engine's are 64 bits without a sign; a database's have one."""
    kit.start("a")
    item = kit.fetch()
    calls: list[Callable[[], object]] = [
        lambda: kit.store.renew_orchestration_item_lock(item.lock_token, number),
        lambda: kit.store.ack_orchestration_item(item.lock_token, number, history_delta=[kit.started("a", number)]),
    ]
    for call in calls:
        with pytest.raises(InvalidTurnError, match=r"^A number is too great for [^\n]*\.$"):
            call()
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])


def test_name_that_is_no_utf8(kit: Kit, made: EngineStore) -> None:
    """It is refused as such, and the next turn goes on."""
    half = "\ud800"
    kit.employ("a", {})
    before = contents(made)
    calls: list[Callable[[], object]] = [
        lambda: kit.store.ack_orchestration_item(half, 1),
        lambda: kit.store.abandon_orchestration_item(half),
        lambda: kit.store.renew_orchestration_item_lock(half, 1),
        lambda: kit.store.ack_work_item(half),
        lambda: kit.store.abandon_work_item(half),
        lambda: kit.store.renew_work_item_lock(half, 1),
        lambda: kit.store.fetch_work_item(1, tags=TagFilter.default_and(half)),
        lambda: kit.store.fetch_work_item(1, session=SessionFetchConfig(half, 1)),
        lambda: kit.store.renew_session_lock([half], 1, 1),
        lambda: kit.store.delete_instance(half),
        lambda: kit.store.prune_executions(half),
    ]
    for call in calls:
        with pytest.raises((InvalidTurnError, StoreUnavailableError), match="not UTF-8"):
            call()
    assert contents(made) == before
    assert kit.has_work

"""Activities are handed out whatever became of their orchestration, and cancelled by taking them out of the queue."""

from __future__ import annotations

from typing import Any

import pytest

from holystone.errors import InvalidTurnError, LockLostError
from holystone.store import WorkItem
from turns.conftest import Column
from turns.kit import LOCK_MS, PLAIN, Kit, News

FAILED: dict[str, Any] = {
    "details": {"Application": {"kind": "OrchestrationFailed", "message": "no funds", "retryable": False}}
}


def end_with_work_outstanding(kit: Kit, end: News, *messages: WorkItem) -> None:
    """Have instance `a` schedule activity 2 and end without it, and the activity run all the same."""
    kit.employ("a")
    kit.turn("a", end, messages=messages)
    lease = kit.work()
    assert lease.item == kit.activity("a")
    kit.store.ack_work_item(lease.lock_token)


def test_fetch_returns_running_state_for_active_orchestration(kit: Kit) -> None:
    """The activity of a running orchestration is handed out."""
    kit.employ("a")
    assert kit.work().item == kit.activity("a")
    assert kit.store.get_status("a").status == "Running"


def test_fetch_returns_terminal_state_when_orchestration_completed(kit: Kit) -> None:
    """The activity of an orchestration that completed without waiting for it is handed out."""
    end_with_work_outstanding(kit, ("OrchestrationCompleted", {"output": "1"}))
    assert kit.store.get_status("a").status == "Completed"


def test_fetch_returns_terminal_state_when_orchestration_failed(kit: Kit) -> None:
    """The activity of an orchestration that failed is handed out."""
    end_with_work_outstanding(kit, ("OrchestrationFailed", FAILED))
    assert kit.store.get_status("a").status == "Failed"


def test_fetch_returns_terminal_state_when_orchestration_continued_as_new(kit: Kit, column: Column) -> None:
    """The activity of an execution that continued as new is handed out."""
    again = WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="2", version=None)
    end_with_work_outstanding(kit, ("OrchestrationContinuedAsNew", {"input": "2"}), again)
    assert column("executions", "status", instance_id="a") == "ContinuedAsNew"


def test_fetch_returns_missing_state_when_instance_deleted(kit: Kit) -> None:
    """An activity whose instance is not there is handed out."""
    kit.store.enqueue_for_worker(kit.activity("gone"))
    lease = kit.work()
    assert lease.item == kit.activity("gone")
    kit.store.ack_work_item(lease.lock_token)


def test_renew_returns_running_when_orchestration_active(kit: Kit) -> None:
    """The lock on the activity of a running orchestration can be renewed."""
    kit.employ("a")
    kit.store.renew_work_item_lock(kit.work().lock_token, LOCK_MS)


def test_renew_returns_terminal_when_orchestration_completed(kit: Kit) -> None:
    """The lock on an activity can be renewed though its orchestration completed meanwhile: it did not cancel it."""
    kit.employ("a")
    lease = kit.work()
    kit.complete("a")
    kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)
    kit.store.ack_work_item(lease.lock_token)


def test_renew_returns_missing_when_instance_deleted(kit: Kit) -> None:
    """The lock on an activity whose instance is not there can be renewed."""
    kit.store.enqueue_for_worker(kit.activity("gone"))
    lease = kit.work()
    kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)
    kit.store.ack_work_item(lease.lock_token)


def test_ack_work_item_none_deletes_without_enqueue(kit: Kit, column: Column) -> None:
    """An activity that is acked without a completion is gone, and nobody is told."""
    kit.employ("a")
    kit.store.ack_work_item(kit.work().lock_token)
    assert column("worker_queue", "count(*)") == 0
    assert column("orchestrator_queue", "count(*)") == 0


def test_cancelled_activities_deleted_from_worker_queue(kit: Kit) -> None:
    """A turn cancels some activities by their numbers, and the others stay."""
    kit.employ("a", *[PLAIN] * 3)
    kit.give_up("a", 2, 3)
    assert kit.work().item == kit.activity("a", 4)
    assert not kit.has_work


def test_ack_work_item_fails_when_entry_deleted(kit: Kit) -> None:
    """A worker whose activity was cancelled while it ran learns so from its ack, and its result is told to nobody."""
    kit.employ("a")
    lease = kit.work()
    kit.give_up("a", 2)
    with pytest.raises(LockLostError):
        kit.store.ack_work_item(lease.lock_token, kit.completion("a"))
    assert not kit.has_turn


def test_renew_fails_when_entry_deleted(kit: Kit) -> None:
    """A worker whose activity was cancelled while it ran learns so when it renews its lock."""
    kit.employ("a")
    lease = kit.work()
    kit.give_up("a", 2)
    with pytest.raises(LockLostError):
        kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)


def test_cancelling_nonexistent_activities_is_idempotent(kit: Kit) -> None:
    """Cancelling what has run is no error; what was never there, or is another's, no event of the turn can give up."""
    kit.employ("a")
    for stranger in (("a", 1, 999), ("a", 2, 2), ("nobody", 1, 2)):
        kit.poke("a")
        token = kit.fetch().lock_token
        with pytest.raises(InvalidTurnError, match="no event gives it up"):
            kit.store.ack_orchestration_item(token, 1, cancelled_activities=[stranger])
        kit.store.ack_orchestration_item(token, 1)
    lease = kit.work()
    assert lease.item == kit.activity("a")
    kit.store.ack_work_item(lease.lock_token)
    kit.give_up("a", 2)


def test_batch_cancellation_deletes_multiple_activities(kit: Kit) -> None:
    """One turn cancels many activities, waiting and running ones alike."""
    kit.employ("a", *[PLAIN] * 5)
    kit.work()
    kit.give_up("a", *range(2, 7))
    assert not kit.has_work


def test_same_activity_in_worker_items_and_cancelled_is_noop(kit: Kit) -> None:
    """An activity that one turn schedules and cancels is never run; others of the turn are."""
    kit.begin("a")
    scheduled = ("ActivityScheduled", {"name": "Charge", "input": "{}"})
    kit.turn(
        "a",
        scheduled,
        scheduled,
        ("ActivityCancelRequested", {"source_event_id": 2, "reason": "dropped_future"}),
        activities=[kit.activity("a", 2), kit.activity("a", 3)],
        cancelled=[("a", 1, 2)],
    )
    assert kit.work().item == kit.activity("a", 3)
    assert not kit.has_work


def test_orphan_activity_after_instance_force_deletion(kit: Kit) -> None:
    """Deleting a running instance takes its waiting activities along; those of others are handed out."""
    kit.employ("a")
    kit.employ("b")
    assert kit.store.delete_instance("a", force=True).instances_deleted == 1
    assert kit.work().item == kit.activity("b")
    assert not kit.has_work

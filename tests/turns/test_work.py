"""Activities: queued by a turn, run once, cancelled by another turn."""

from __future__ import annotations

import pytest

from holystone.errors import InvalidTurnError, LockLostError
from holystone.store import WorkItem
from turns.conftest import Column
from turns.kit import Kit


@pytest.fixture
def working(kit: Kit) -> Kit:
    """Instance `a` has scheduled activity 2."""
    kit.start("a")
    delta = [kit.started("a"), kit.event("a", 2, "ActivityScheduled", name="Charge", input="{}")]
    kit.store.ack_orchestration_item(kit.fetch().lock_token, 1, history_delta=delta, worker_items=[kit.activity("a")])
    return kit


def completion() -> WorkItem:
    return WorkItem.new("ActivityCompleted", instance="a", execution_id=1, id=2, result="7")


def test_activity_is_queued_with_its_identity(working: Kit, column: Column) -> None:
    assert [column("worker_queue", name) for name in ("instance_id", "execution_id", "activity_id")] == ["a", 1, 2]


def test_activity_is_handed_out_once(working: Kit) -> None:
    lease = working.store.fetch_work_item(30_000)
    assert lease is not None
    assert (lease.item, lease.attempt_count) == (working.activity("a"), 1)
    assert working.store.fetch_work_item(30_000) is None


def test_completion_reaches_the_orchestration(working: Kit, column: Column) -> None:
    lease = working.store.fetch_work_item(30_000)
    assert lease is not None
    working.store.ack_work_item(lease.lock_token, completion())
    assert column("worker_queue", "id") is None
    assert list(working.fetch().messages) == [completion()]


def test_ack_without_completion_tells_nobody(working: Kit) -> None:
    lease = working.store.fetch_work_item(30_000)
    assert lease is not None
    working.store.ack_work_item(lease.lock_token)
    assert working.store.fetch_orchestration_item(1000) is None


def test_expired_activity_is_run_by_another_and_the_first_is_told(working: Kit, column: Column) -> None:
    late = working.store.fetch_work_item(-1)
    again = working.store.fetch_work_item(30_000)
    assert late is not None
    assert again is not None
    assert again.attempt_count == 2
    with pytest.raises(LockLostError):
        working.store.ack_work_item(late.lock_token, completion())
    with pytest.raises(LockLostError):
        working.store.renew_work_item_lock(late.lock_token, 1000)
    assert column("orchestrator_queue", "id") is None
    working.store.renew_work_item_lock(again.lock_token, 1000)
    working.store.ack_work_item(again.lock_token, completion())


def test_abandoned_activity_comes_back(working: Kit) -> None:
    lease = working.store.fetch_work_item(30_000)
    assert lease is not None
    working.store.abandon_work_item(lease.lock_token, ignore_attempt=True)
    lease = working.store.fetch_work_item(30_000)
    assert lease is not None
    assert lease.attempt_count == 1
    working.store.abandon_work_item(lease.lock_token, delay_ms=60_000)
    assert working.store.fetch_work_item(30_000) is None
    with pytest.raises(LockLostError):
        working.store.abandon_work_item(lease.lock_token)


def test_cancelled_activity_is_gone_even_while_it_runs(working: Kit) -> None:
    lease = working.store.fetch_work_item(30_000)
    assert lease is not None
    working.send("ExternalRaised", instance="a", name="go", data="1")
    working.store.ack_orchestration_item(working.fetch().lock_token, 1, cancelled_activities=[("a", 1, 2)])
    with pytest.raises(LockLostError):
        working.store.ack_work_item(lease.lock_token, completion())


def test_activity_scheduled_and_cancelled_in_one_turn_is_never_run(kit: Kit) -> None:
    kit.start("a")
    kit.store.ack_orchestration_item(
        kit.fetch().lock_token,
        1,
        history_delta=[kit.started("a")],
        worker_items=[kit.activity("a")],
        cancelled_activities=[("a", 1, 2)],
    )
    assert kit.store.fetch_work_item(30_000) is None


def test_tagged_activity_is_left_to_workers_with_the_tag(kit: Kit) -> None:
    kit.store.enqueue_for_worker(kit.activity("a", tag="gpu"))
    kit.store.enqueue_for_worker(kit.activity("a", session_id="s"))
    assert kit.store.fetch_work_item(30_000) is None


def test_what_is_no_activity_is_refused(working: Kit) -> None:
    with pytest.raises(InvalidTurnError, match="nothing for the worker queue"):
        working.store.enqueue_for_worker(completion())
    with pytest.raises(InvalidTurnError, match="completes no activity"):
        working.store.ack_work_item("token", WorkItem.new("ExternalRaised", instance="a", name="go", data="1"))

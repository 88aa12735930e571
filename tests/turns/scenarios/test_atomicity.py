"""A turn is written whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import EngineStore
from contents import contents
from holystone.errors import InvalidTurnError, LockLostError
from holystone.store import WorkItem
from turns.conftest import Clock
from turns.kit import LOCK_MS, Kit


def test_atomicity_failure_rollback(kit: Kit, made: EngineStore) -> None:
    """A turn that is refused for one of its events leaves no trace, and keeps its lock."""
    kit.begin("a")
    kit.poke("a")
    item = kit.fetch()
    before = contents(made)
    with pytest.raises(InvalidTurnError):
        kit.store.ack_orchestration_item(
            item.lock_token,
            1,
            history_delta=[kit.event("a", 2, "CustomStatusUpdated", status="busy"), kit.started("a")],
            worker_items=[kit.activity("a")],
            orchestrator_items=[WorkItem.new("CancelInstance", instance="a", reason="why")],
        )
    assert contents(made) == before
    assert not kit.has_turn


def test_multi_operation_atomic_ack(kit: Kit) -> None:
    """One turn with events, activities and timers brings all of them, in their order."""
    kit.start("a")
    scheduled = [kit.event("a", number, "ActivityScheduled", name="Charge", input="{}") for number in (2, 3, 4)]
    activities = [kit.activity("a", number) for number in (2, 3, 4)]
    messages = [WorkItem.new("TimerFired", instance="a", execution_id=1, id=number, fire_at_ms=1) for number in (5, 6)]
    timers = [kit.event("a", number, "TimerCreated", fire_at_ms=1) for number in (5, 6)]
    delta = [kit.started("a"), *scheduled, *timers]
    kit.store.ack_orchestration_item(
        kit.fetch().lock_token, 1, history_delta=delta, worker_items=activities, orchestrator_items=messages
    )
    assert kit.store.read_history("a") == delta
    assert [kit.work().item for _ in activities] == activities
    assert not kit.has_work
    assert list(kit.fetch().messages) == messages


def test_lock_released_only_on_successful_ack(kit: Kit, clock: Clock) -> None:
    """An ack that fails releases nothing; the instance is free when the lock expires, or by an ack that is written."""
    kit.start("a")
    kit.fetch()
    with pytest.raises(LockLostError):
        kit.store.ack_orchestration_item("nobody's", 1, history_delta=[kit.started("a")])
    assert not kit.has_turn
    clock.pass_ms(LOCK_MS)
    item = kit.fetch()
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
    kit.poke("a")
    kit.fetch()


def test_concurrent_ack_prevention(kit: Kit) -> None:
    """Of two acks at once with the same token, one is written and the other learns that the lock is gone."""
    kit.start("a")
    token = kit.fetch().lock_token

    def ack(nth: int) -> bool:
        try:
            kit.store.ack_orchestration_item(token, 1, history_delta=[kit.started("a", input=str(nth))])
        except LockLostError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(ack, range(2)))
    assert sorted(written) == [False, True]
    (event,) = kit.store.read_history("a")
    assert event.payload["input"] == str(written.index(True))

"""Both queues hand out what was put in first, keep it until it is acked, and hide it until its time has come."""

from __future__ import annotations

from holystone.store import WorkItem
from turns.conftest import Clock, Column
from turns.kit import LOCK_MS, PLAIN, Kit


def test_worker_queue_fifo_ordering(kit: Kit) -> None:
    """Activities come in the order in which they were scheduled."""
    kit.employ("a", *[PLAIN] * 5)
    assert [kit.work().item.fields["id"] for _ in range(5)] == [2, 3, 4, 5, 6]
    assert not kit.has_work


def test_worker_peek_lock_semantics(kit: Kit) -> None:
    """A fetched activity is hidden and still there; it goes with its ack."""
    kit.employ("a")
    lease = kit.work()
    assert (lease.item, lease.attempt_count) == (kit.activity("a"), 1)
    assert not kit.has_work
    kit.store.ack_work_item(lease.lock_token, kit.completion("a"))
    assert not kit.has_work


def test_worker_ack_atomicity(kit: Kit) -> None:
    """The ack of an activity takes it out of its queue and puts its completion into the orchestration's."""
    kit.employ("a")
    kit.store.ack_work_item(kit.work().lock_token, kit.completion("a"))
    assert not kit.has_work
    item = kit.fetch()
    assert (item.instance_id, list(item.messages)) == ("a", [kit.completion("a")])


def test_timer_delayed_visibility(kit: Kit, clock: Clock) -> None:
    """A message with a delay and a timer with a moment to fire are seen from that millisecond on, and not before."""
    fires = clock.now_ms + 6_000
    timer = kit.event("a", 2, "TimerCreated", fire_at_ms=fires)
    kit.begin("a", timer, messages=[WorkItem.new("TimerFired", instance="a", execution_id=1, id=2, fire_at_ms=fires)])
    kit.poke("a", delay_ms=5_000)
    clock.pass_ms(4_999)
    assert not kit.has_turn
    clock.pass_ms(1)
    item = kit.fetch()
    assert [message.kind for message in item.messages] == ["ExternalRaised"]
    kit.store.ack_orchestration_item(item.lock_token, 1)
    clock.pass_ms(999)
    assert not kit.has_turn
    clock.pass_ms(1)
    assert [message.fields["id"] for message in kit.fetch().messages] == [2]


def test_lost_lock_token_handling(kit: Kit, clock: Clock) -> None:
    """An activity whose worker forgot it is handed out again when its lock expires."""
    kit.employ("a")
    first = kit.work()
    assert not kit.has_work
    clock.pass_ms(LOCK_MS)
    assert kit.work().item == first.item


def test_worker_item_immediate_visibility(kit: Kit, clock: Clock) -> None:
    """An activity can be fetched in the very millisecond in which it was queued."""
    kit.employ("a")
    assert kit.work().item == kit.activity("a")


def test_worker_delayed_visibility_skips_future_items(kit: Kit, clock: Clock) -> None:
    """An activity that is put off holds up none behind it, and takes its place again when the delay is over."""
    kit.employ("a", *[PLAIN] * 2)
    kit.store.abandon_work_item(kit.work().lock_token, delay_ms=500)
    assert kit.work().item.fields["id"] == 3
    assert not kit.has_work
    clock.pass_ms(500)
    assert kit.work().item.fields["id"] == 2


def test_orphan_queue_messages_dropped(kit: Kit, column: Column) -> None:
    """A message for an event queue is not kept for an instance that is still to start; one that runs gets it."""
    kit.begin("running")
    for instance_id in ("nobody", "nobody", "running"):
        kit.send("QueueMessage", instance=instance_id, name="go", data="1")
    item = kit.fetch()
    assert item.instance_id == "running"
    assert [message.kind for message in item.messages] == ["QueueMessage"]
    assert not kit.has_turn
    assert column("orchestrator_queue", "count(*)", instance_id="nobody") == 0
    assert column("instance_locks", "count(*)", instance_id="nobody") == 0

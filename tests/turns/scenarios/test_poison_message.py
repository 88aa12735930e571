"""Every fetch of a message counts, so that a runtime can tell what it will never get done."""

from __future__ import annotations

from turns.conftest import Clock
from turns.kit import LOCK_MS, PLAIN, Kit


def test_orchestration_attempt_count_starts_at_one(kit: Kit) -> None:
    """The first fetch of a turn is attempt 1."""
    kit.start("a")
    assert kit.fetch().attempt_count == 1


def test_orchestration_attempt_count_increments_on_refetch(kit: Kit) -> None:
    """A turn that is given back comes with one attempt more each time."""
    kit.start("a")
    for expected in (1, 2, 3):
        item = kit.fetch()
        assert item.attempt_count == expected
        kit.store.abandon_orchestration_item(item.lock_token)


def test_worker_attempt_count_starts_at_one(kit: Kit) -> None:
    """The first fetch of an activity is attempt 1."""
    kit.employ("a")
    assert kit.work().attempt_count == 1


def test_worker_attempt_count_increments_on_lock_expiry(kit: Kit, clock: Clock) -> None:
    """An activity whose worker went silent comes with one attempt more."""
    kit.employ("a")
    for expected in (1, 2, 3):
        assert kit.work().attempt_count == expected
        clock.pass_ms(LOCK_MS)


def test_attempt_count_is_per_message(kit: Kit) -> None:
    """The attempts at one activity say nothing of another."""
    kit.employ("a", *[PLAIN] * 2)
    kit.store.abandon_work_item(kit.work().lock_token)
    tried = {lease.item.fields["id"]: lease.attempt_count for lease in (kit.work(), kit.work())}
    assert tried == {2: 2, 3: 1}


def test_abandon_work_item_ignore_attempt_decrements(kit: Kit) -> None:
    """An activity can be given back as if it had not been fetched; earlier attempts still count."""
    kit.employ("a")
    kit.store.abandon_work_item(kit.work().lock_token)
    lease = kit.work()
    assert lease.attempt_count == 2
    kit.store.abandon_work_item(lease.lock_token, ignore_attempt=True)
    assert kit.work().attempt_count == 2


def test_abandon_orchestration_item_ignore_attempt_decrements(kit: Kit) -> None:
    """A turn can be given back as if it had not been fetched; earlier attempts still count."""
    kit.start("a")
    kit.store.abandon_orchestration_item(kit.fetch().lock_token)
    item = kit.fetch()
    assert item.attempt_count == 2
    kit.store.abandon_orchestration_item(item.lock_token, ignore_attempt=True)
    assert kit.fetch().attempt_count == 2


def test_ignore_attempt_never_goes_negative(kit: Kit) -> None:
    """However often an attempt is not to count, the next one is never less than 1, for activities and for turns."""
    kit.employ("a")
    kit.poke("a")
    for _ in range(3):
        lease, item = kit.work(), kit.fetch()
        assert (lease.attempt_count, item.attempt_count) == (1, 1)
        kit.store.abandon_work_item(lease.lock_token, ignore_attempt=True)
        kit.store.abandon_orchestration_item(item.lock_token, ignore_attempt=True)


def test_max_attempt_count_across_message_batch(kit: Kit) -> None:
    """A turn counts as often tried as the message that was tried most; a newcomer does not make it look fresh."""
    kit.begin("a")
    kit.poke("a", "old")
    for _ in range(2):
        kit.store.abandon_orchestration_item(kit.fetch().lock_token)
    kit.poke("a", "new")
    item = kit.fetch()
    assert [message.fields["data"] for message in item.messages] == ["old", "new"]
    assert item.attempt_count == 3

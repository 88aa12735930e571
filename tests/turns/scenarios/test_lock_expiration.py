"""Locks end: by their time, by an ack, or by being given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from holystone.errors import LockLostError
from turns.conftest import Clock
from turns.kit import LOCK_MS, Kit


def test_lock_expires_after_timeout(kit: Kit, clock: Clock) -> None:
    """An expired lock is taken over, and its token is worth nothing from then on."""
    kit.start("a")
    lost = kit.fetch()
    assert not kit.has_turn
    clock.pass_ms(LOCK_MS)
    item = kit.fetch()
    assert (item.instance_id, item.attempt_count) == ("a", 2)
    with pytest.raises(LockLostError):
        kit.store.ack_orchestration_item(lost.lock_token, 1, history_delta=[kit.started("a")])
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])


def test_abandon_releases_lock_immediately(kit: Kit, clock: Clock) -> None:
    """A turn that is given back can be taken at once, long before its lock would have expired."""
    kit.start("a")
    item = kit.fetch()
    assert not kit.has_turn
    kit.store.abandon_orchestration_item(item.lock_token)
    assert kit.fetch().instance_id == "a"


def test_lock_renewal_on_ack(kit: Kit, clock: Clock) -> None:
    """An ack frees the instance at once, for the messages that came meanwhile."""
    kit.start("a")
    item = kit.fetch()
    kit.poke("a")
    assert not kit.has_turn
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
    assert kit.fetch().instance_id == "a"


def test_concurrent_lock_attempts_respect_expiration(kit: Kit, clock: Clock) -> None:
    """Several workers that ask again and again get nothing up to the last millisecond of a lock."""
    kit.start("a")
    kit.fetch()
    with ThreadPoolExecutor(3) as pool:
        for passed in (0, LOCK_MS // 2, LOCK_MS // 2 - 1):
            clock.pass_ms(passed)
            assert list(pool.map(lambda _: kit.has_turn, range(3))) == [False] * 3
    clock.pass_ms(1)
    assert kit.fetch().instance_id == "a"


def test_worker_lock_renewal_success(kit: Kit, clock: Clock) -> None:
    """Who holds an activity can renew its lock, and it stays out of reach of others."""
    kit.employ("a")
    lease = kit.work()
    assert not kit.has_work
    clock.pass_ms(LOCK_MS // 2)
    kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)
    assert not kit.has_work


def test_worker_lock_renewal_invalid_token(kit: Kit) -> None:
    """A token that locks no activity cannot be renewed."""
    kit.employ("a")
    with pytest.raises(LockLostError, match="activity"):
        kit.store.renew_work_item_lock("nobody's", LOCK_MS)


def test_worker_lock_renewal_after_expiration(kit: Kit, clock: Clock) -> None:
    """An activity's lock that has expired cannot be renewed, even where nobody took it over."""
    kit.employ("a")
    lease = kit.work()
    clock.pass_ms(LOCK_MS)
    with pytest.raises(LockLostError):
        kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)


def test_worker_lock_renewal_extends_timeout(kit: Kit, clock: Clock) -> None:
    """A renewed lock counts from the renewal, not from the fetch."""
    kit.employ("a")
    lease = kit.work()
    clock.pass_ms(LOCK_MS * 3 // 5)
    kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)
    clock.pass_ms(LOCK_MS - 1)
    assert not kit.has_work
    clock.pass_ms(1)
    assert kit.work().attempt_count == 2


def test_worker_lock_renewal_after_ack(kit: Kit) -> None:
    """An activity that has been acked has no lock to renew."""
    kit.employ("a")
    lease = kit.work()
    kit.store.ack_work_item(lease.lock_token, kit.completion("a"))
    with pytest.raises(LockLostError):
        kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)


def test_abandon_work_item_releases_lock(kit: Kit, clock: Clock) -> None:
    """An activity that is given back can be fetched at once, under a new token, and its first token is void."""
    kit.employ("a")
    first = kit.work()
    assert not kit.has_work
    kit.store.abandon_work_item(first.lock_token)
    again = kit.work()
    assert again.item == first.item
    assert again.lock_token != first.lock_token
    with pytest.raises(LockLostError):
        kit.store.abandon_work_item(first.lock_token)


def test_abandon_work_item_with_delay(kit: Kit, clock: Clock) -> None:
    """An activity that is given back with a delay stays hidden until the delay is over."""
    kit.employ("a")
    kit.store.abandon_work_item(kit.work().lock_token, delay_ms=500)
    clock.pass_ms(499)
    assert not kit.has_work
    clock.pass_ms(1)
    kit.work()


def test_worker_ack_fails_after_lock_expiry(kit: Kit, clock: Clock) -> None:
    """A completion that comes after the lock has expired is refused and told to nobody; the activity runs again."""
    kit.employ("a")
    lease = kit.work()
    clock.pass_ms(LOCK_MS)
    with pytest.raises(LockLostError):
        kit.store.ack_work_item(lease.lock_token, kit.completion("a"))
    assert not kit.has_turn
    assert kit.work().attempt_count == 2


def test_orchestration_lock_renewal_after_expiration(kit: Kit, clock: Clock) -> None:
    """A turn's lock can be renewed while it holds, for a time that counts from then, and not once it has expired."""
    kit.start("a")
    item = kit.fetch()
    clock.pass_ms(LOCK_MS - 1)
    kit.store.renew_orchestration_item_lock(item.lock_token, LOCK_MS)
    clock.pass_ms(LOCK_MS - 1)
    assert not kit.has_turn
    clock.pass_ms(1)
    with pytest.raises(LockLostError):
        kit.store.renew_orchestration_item_lock(item.lock_token, LOCK_MS)

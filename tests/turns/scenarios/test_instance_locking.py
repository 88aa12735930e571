"""One turn of an instance at a time, whoever asks."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from holystone.errors import LockLostError
from holystone.store.turns.lease import OrchestrationItem
from turns.conftest import Clock
from turns.kit import LOCK_MS, PLAIN, Kit


def fetch_at_once(kit: Kit, workers: int) -> list[OrchestrationItem | None]:
    """Return what so many workers get that ask for a turn at the same moment."""
    line = Barrier(workers)

    def fetch(_: int) -> OrchestrationItem | None:
        line.wait()
        return kit.store.fetch_orchestration_item(LOCK_MS)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(fetch, range(workers)))


def test_exclusive_instance_lock(kit: Kit, clock: Clock) -> None:
    """An instance whose turn is taken is fetched by nobody else until the lock expires, and then under a new token."""
    kit.start("a")
    first = kit.fetch()
    clock.pass_ms(LOCK_MS - 1)
    assert not kit.has_turn
    clock.pass_ms(1)
    assert kit.fetch().lock_token != first.lock_token


def test_lock_token_uniqueness(kit: Kit) -> None:
    """No two fetches get the same token."""
    for number in range(5):
        kit.start(f"i{number}")
    assert len({kit.fetch().lock_token for _ in range(5)}) == 5


def test_invalid_lock_token_rejection(kit: Kit) -> None:
    """Neither ack, abandon nor renewal takes a token that locks nothing, and none of them unlocks the instance."""
    kit.start("a")
    kit.fetch()
    with pytest.raises(LockLostError):
        kit.store.ack_orchestration_item("nobody's", 1)
    with pytest.raises(LockLostError):
        kit.store.abandon_orchestration_item("nobody's")
    with pytest.raises(LockLostError):
        kit.store.renew_orchestration_item_lock("nobody's", LOCK_MS)
    assert not kit.has_turn


def test_concurrent_instance_fetching(kit: Kit) -> None:
    """As many workers as instances, all at the same moment: each gets one, and no two the same."""
    instances = [f"i{number}" for number in range(10)]
    for instance in instances:
        kit.start(instance)
    taken = [item.instance_id for item in fetch_at_once(kit, workers=10) if item is not None]
    assert sorted(taken) == instances


def test_completions_arriving_during_lock_blocked(kit: Kit, clock: Clock) -> None:
    """What arrives for a locked instance waits with the rest, and comes with it, in order, once the lock expires."""
    kit.employ("a", *[PLAIN] * 3)
    kit.poke("a")
    kit.fetch()
    for number in (2, 3, 4):
        kit.store.ack_work_item(kit.work().lock_token, kit.completion("a", number))
    assert not kit.has_turn
    clock.pass_ms(LOCK_MS)
    messages = kit.fetch().messages
    assert [message.kind for message in messages] == ["ExternalRaised", *3 * ["ActivityCompleted"]]
    assert [message.fields["id"] for message in messages[1:]] == [2, 3, 4]


def test_cross_instance_lock_isolation(kit: Kit) -> None:
    """A lock on one instance holds up no other, not even for one turn after another."""
    kit.begin("a")
    kit.begin("b")
    kit.poke("a")
    kit.poke("b")
    assert kit.fetch().instance_id == "a"
    item = kit.fetch()
    assert item.instance_id == "b"
    kit.store.ack_orchestration_item(item.lock_token, 1)
    kit.poke("b")
    assert kit.fetch().instance_id == "b"
    assert not kit.has_turn


def test_message_tagging_during_lock(kit: Kit) -> None:
    """An ack takes away the messages that came with the turn; one that came during it is there for the next."""
    kit.begin("a")
    kit.poke("a", "1")
    kit.poke("a", "2")
    item = kit.fetch()
    assert [message.fields["data"] for message in item.messages] == ["1", "2"]
    kit.poke("a", "3")
    kit.store.ack_orchestration_item(item.lock_token, 1)
    assert [message.fields["data"] for message in kit.fetch().messages] == ["3"]


def test_ack_only_affects_locked_messages(kit: Kit) -> None:
    """Several messages that come during a turn cannot be fetched before its ack, and none of them is lost by it."""
    kit.begin("a")
    kit.poke("a", "1")
    item = kit.fetch()
    kit.poke("a", "2")
    kit.poke("a", "3")
    assert not kit.has_turn
    kit.store.ack_orchestration_item(item.lock_token, 1)
    assert [message.fields["data"] for message in kit.fetch().messages] == ["2", "3"]


def test_multi_threaded_lock_contention(kit: Kit) -> None:
    """Of many workers that ask at the same moment for one instance, a single one gets it."""
    kit.start("a")
    taken = [item for item in fetch_at_once(kit, workers=10) if item is not None]
    assert [item.instance_id for item in taken] == ["a"]
    assert not kit.has_turn


def test_multi_threaded_no_duplicate_processing(kit: Kit) -> None:
    """More workers than instances, all at the same moment: no instance is given out twice, and none is lost."""
    instances = [f"i{number:02}" for number in range(8)]
    for instance in instances:
        kit.start(instance)
    taken = Counter(item.instance_id for item in fetch_at_once(kit, workers=16) if item is not None)
    while (item := kit.store.fetch_orchestration_item(LOCK_MS)) is not None:
        taken[item.instance_id] += 1
    assert taken == dict.fromkeys(instances, 1)


def test_multi_threaded_lock_expiration_recovery(kit: Kit, clock: Clock) -> None:
    """When a worker dies with a lock, others get nothing before it expires, and one of them gets the turn after."""
    kit.start("a")
    lost = kit.fetch()
    assert fetch_at_once(kit, workers=3) == [None] * 3
    clock.pass_ms(LOCK_MS)
    (item,) = [item for item in fetch_at_once(kit, workers=3) if item is not None]
    assert item.attempt_count == 2
    assert item.lock_token != lost.lock_token

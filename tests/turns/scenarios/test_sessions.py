"""Activities of a session go to the worker that holds the session, for as long as it holds it."""

from __future__ import annotations

from typing import Any

from holystone.store.turns.lease import WorkLease
from holystone.store.turns.sessions import SessionFetchConfig
from turns.conftest import Clock, Column
from turns.kit import LOCK_MS, PLAIN, Kit

SHORT_MS = 1_000
IDLE_MS = 300_000
IN_SESSION = {"session_id": "s"}


def worker(name: str, lock_ms: int = LOCK_MS) -> SessionFetchConfig:
    """Return a worker, and for how long a session is its own."""
    return SessionFetchConfig(name, lock_ms)


def fetched(kit: Kit, by: SessionFetchConfig | None, lock_ms: int = LOCK_MS) -> WorkLease | None:
    return kit.store.fetch_work_item(lock_ms, session=by)


def number(lease: WorkLease | None) -> Any:
    """Return the activity's number, None for no activity."""
    return None if lease is None else lease.item.fields["id"]


def run(kit: Kit, by: SessionFetchConfig | None) -> Any:
    """Fetch the next activity and ack it; return its number."""
    lease = kit.work(session=by)
    kit.store.ack_work_item(lease.lock_token)
    return number(lease)


def test_non_session_items_fetchable_by_any_worker(kit: Kit) -> None:
    """An activity without a session goes to workers that take sessions, too."""
    kit.employ("a")
    assert number(fetched(kit, worker("one"))) == 2


def test_session_item_claimable_when_no_session(kit: Kit, column: Column) -> None:
    """The first activity of a session makes the session its worker's."""
    kit.employ("a", IN_SESSION)
    lease = kit.work(session=worker("one"))
    assert lease.item.fields["session_id"] == "s"
    assert column("sessions", "worker_id", session_id="s") == "one"


def test_session_affinity_same_worker(kit: Kit) -> None:
    """Later activities of the session go to the worker that holds it."""
    kit.employ("a", IN_SESSION)
    assert run(kit, worker("one")) == 2
    kit.schedule("a", IN_SESSION)
    assert run(kit, worker("one")) == 3


def test_session_affinity_blocks_other_worker(kit: Kit) -> None:
    """Nobody else gets an activity of a session that a worker holds, not even while that worker is idle."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one"))
    kit.schedule("a", IN_SESSION)
    assert fetched(kit, worker("two")) is None


def test_different_sessions_different_workers(kit: Kit) -> None:
    """Two workers hold a session each, and each gets its own session's activities."""
    for_one, for_two = {"session_id": "first"}, {"session_id": "second"}
    kit.employ("a", for_one, for_two)
    assert (run(kit, worker("one")), run(kit, worker("two"))) == (2, 3)
    kit.schedule("a", for_two, for_one)
    assert (run(kit, worker("one")), run(kit, worker("two"))) == (5, 4)


def test_mixed_session_and_non_session_items(kit: Kit) -> None:
    """A worker passes over another's session and takes the plain activity behind it."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one"))
    kit.schedule("a", IN_SESSION, PLAIN)
    assert run(kit, worker("two")) == 4
    assert fetched(kit, worker("two")) is None


def test_session_claimable_after_lock_expiry(kit: Kit, clock: Clock) -> None:
    """A session is held to the last millisecond of its lock, and free after."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    kit.schedule("a", IN_SESSION)
    clock.pass_ms(SHORT_MS - 1)
    assert fetched(kit, worker("two")) is None
    clock.pass_ms(1)
    assert run(kit, worker("two")) == 3


def test_none_session_skips_session_items(kit: Kit) -> None:
    """A worker that takes no sessions gets plain activities only, and does not keep others from the rest."""
    kit.employ("a", IN_SESSION, PLAIN)
    assert run(kit, None) == 3
    assert fetched(kit, None) is None
    assert run(kit, worker("one")) == 2


def test_some_session_returns_all_items(kit: Kit) -> None:
    """A worker may hold any number of sessions, and gets their activities and plain ones in the order of the queue."""
    kit.employ("a", *({"session_id": name} for name in "xyz"), PLAIN)
    assert [run(kit, worker("one")) for _ in range(4)] == [2, 3, 4, 5]
    assert fetched(kit, worker("one")) is None


def test_renew_session_lock_active(kit: Kit) -> None:
    """A worker renews all the sessions that it holds, and learns how many they were."""
    kit.employ("a", {"session_id": "first"}, {"session_id": "second"})
    run(kit, worker("one"))
    assert kit.store.renew_session_lock(["one"], LOCK_MS, IDLE_MS) == 1
    run(kit, worker("one"))
    assert kit.store.renew_session_lock(["one"], LOCK_MS, IDLE_MS) == 2
    assert kit.store.renew_session_lock(["two"], LOCK_MS, IDLE_MS) == 0


def test_renew_session_lock_skips_idle(kit: Kit, clock: Clock) -> None:
    """A session that was not used for the idle time is not renewed."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one"))
    clock.pass_ms(SHORT_MS)
    assert kit.store.renew_session_lock(["one"], LOCK_MS, SHORT_MS) == 0
    assert kit.store.renew_session_lock(["one"], LOCK_MS, SHORT_MS + 1) == 1


def test_renew_session_lock_no_sessions(kit: Kit) -> None:
    """A worker without sessions renews none."""
    assert kit.store.renew_session_lock(["one"], LOCK_MS, IDLE_MS) == 0


def test_cleanup_removes_expired_no_items(kit: Kit, clock: Clock, column: Column) -> None:
    """A session that has expired and has nothing left to run is removed."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS + 1)
    assert kit.store.cleanup_orphaned_sessions() == 1
    assert column("sessions", "count(*)") == 0


def test_cleanup_keeps_sessions_with_pending_items(kit: Kit, clock: Clock) -> None:
    """A session that has expired and has an activity waiting is kept."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    kit.schedule("a", IN_SESSION)
    clock.pass_ms(SHORT_MS + 1)
    assert kit.store.cleanup_orphaned_sessions() == 0


def test_cleanup_keeps_active_sessions(kit: Kit) -> None:
    """A session that a worker holds is kept, though it has nothing to run."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one"))
    assert kit.store.cleanup_orphaned_sessions() == 0


def test_ack_updates_session_last_activity(kit: Kit, clock: Clock) -> None:
    """Acking an activity counts as using its session."""
    kit.employ("a", IN_SESSION)
    lease = kit.work(session=worker("one"))
    clock.pass_ms(SHORT_MS)
    kit.store.ack_work_item(lease.lock_token, kit.completion("a"))
    assert kit.store.renew_session_lock(["one"], LOCK_MS, SHORT_MS) == 1


def test_renew_work_item_updates_session_last_activity(kit: Kit, clock: Clock) -> None:
    """Renewing an activity's lock counts as using its session."""
    kit.employ("a", IN_SESSION)
    lease = kit.work(session=worker("one"))
    clock.pass_ms(SHORT_MS)
    assert kit.store.renew_session_lock(["one"], LOCK_MS, SHORT_MS) == 0
    kit.store.renew_work_item_lock(lease.lock_token, LOCK_MS)
    assert kit.store.renew_session_lock(["one"], LOCK_MS, SHORT_MS) == 1


def test_session_items_processed_in_order(kit: Kit) -> None:
    """The activities of a session come in the order in which they were scheduled."""
    kit.employ("a", *[IN_SESSION] * 3)
    assert [run(kit, worker("one")) for _ in range(3)] == [2, 3, 4]


def test_non_session_items_returned_with_session_config(kit: Kit) -> None:
    """A worker that holds a session goes on getting plain activities."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one"))
    kit.schedule("a", PLAIN)
    lease = kit.work(session=worker("one"))
    assert "session_id" not in lease.item.fields


def test_shared_worker_id_any_caller_can_fetch_owned_session(kit: Kit) -> None:
    """Fetches under the same worker's name share its sessions, several activities at a time; others do not."""
    kit.employ("a", *[IN_SESSION] * 3)
    assert number(fetched(kit, worker("process"))) == 2
    assert number(fetched(kit, worker("process"))) == 3
    assert fetched(kit, worker("another")) is None


def test_concurrent_session_claim_only_one_wins(kit: Kit) -> None:
    """Of two workers that want a free session, the second gets nothing of it while the first still runs."""
    kit.employ("a", IN_SESSION, IN_SESSION)
    assert number(fetched(kit, worker("one"))) == 2
    assert fetched(kit, worker("two")) is None


def test_session_takeover_after_lock_expiry(kit: Kit, clock: Clock, column: Column) -> None:
    """Who takes an activity of an expired session holds the session from then on."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    kit.schedule("a", IN_SESSION, IN_SESSION)
    clock.pass_ms(SHORT_MS)
    assert run(kit, worker("two")) == 3
    assert column("sessions", "worker_id", session_id="s") == "two"
    assert fetched(kit, worker("one")) is None


def test_cleanup_then_new_item_recreates_session(kit: Kit, clock: Clock, column: Column) -> None:
    """A session that was removed begins anew with its next activity, whoever takes that."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS + 1)
    assert kit.store.cleanup_orphaned_sessions() == 1
    kit.schedule("a", IN_SESSION)
    assert run(kit, worker("two")) == 3
    assert column("sessions", "worker_id", session_id="s") == "two"


def test_abandoned_session_item_retryable(kit: Kit) -> None:
    """An activity of a session that is given back comes again, and counts its attempts like any other."""
    kit.employ("a", IN_SESSION)
    first = kit.work(session=worker("one"))
    kit.store.abandon_work_item(first.lock_token)
    again = kit.work(session=worker("one"))
    assert (number(again), first.attempt_count, again.attempt_count) == (2, 1, 2)
    kit.store.ack_work_item(again.lock_token)
    assert fetched(kit, worker("one")) is None


def test_abandoned_session_item_ignore_attempt(kit: Kit, clock: Clock) -> None:
    """An activity of a session can be given back as if it had not been fetched, with a delay."""
    kit.employ("a", IN_SESSION)
    kit.store.abandon_work_item(kit.work(session=worker("one")).lock_token, delay_ms=1, ignore_attempt=True)
    assert fetched(kit, worker("one")) is None
    clock.pass_ms(1)
    assert kit.work(session=worker("one")).attempt_count == 1


def test_renew_session_lock_after_expiry_returns_zero(kit: Kit, clock: Clock) -> None:
    """A session that has expired is not renewed: it may be another's by now."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS)
    assert kit.store.renew_session_lock(["one"], LOCK_MS, IDLE_MS) == 0


def test_original_worker_reclaims_expired_session(kit: Kit, clock: Clock) -> None:
    """The worker that let its session expire can take it again like anybody else."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    kit.schedule("a", IN_SESSION)
    clock.pass_ms(SHORT_MS)
    assert run(kit, worker("one")) == 3
    assert kit.store.renew_session_lock(["one"], LOCK_MS, IDLE_MS) == 1


def test_activity_lock_expires_session_lock_valid_same_worker_refetches(kit: Kit, clock: Clock) -> None:
    """An activity whose own lock expires stays with its session's worker while that holds the session."""
    kit.employ("a", IN_SESSION)
    kit.work(lock_ms=SHORT_MS, session=worker("one"))
    clock.pass_ms(SHORT_MS)
    assert fetched(kit, worker("two")) is None
    again = kit.work(session=worker("one"))
    assert (number(again), again.attempt_count) == (2, 2)


def test_session_lock_expires_new_owner_gets_redelivery(kit: Kit, clock: Clock) -> None:
    """An activity that the former worker gives back goes to the one that holds the session now."""
    kit.employ("a", IN_SESSION)
    former = kit.work(session=worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS)
    kit.schedule("a", IN_SESSION)
    assert run(kit, worker("two")) == 3
    kit.store.abandon_work_item(former.lock_token)
    assert fetched(kit, worker("one")) is None
    again = kit.work(session=worker("two"))
    assert (number(again), again.attempt_count) == (2, 2)


def test_session_lock_expires_same_worker_reacquires(kit: Kit, clock: Clock, column: Column) -> None:
    """Taking its expired session again, a worker holds it for the whole time anew."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS)
    kit.schedule("a", IN_SESSION, IN_SESSION)
    assert run(kit, worker("one", SHORT_MS)) == 3
    clock.pass_ms(SHORT_MS - 1)
    assert fetched(kit, worker("two")) is None


def test_both_locks_expire_different_worker_claims(kit: Kit, clock: Clock) -> None:
    """When the session's lock and the activity's have both expired, any worker gets the activity."""
    kit.employ("a", IN_SESSION)
    kit.work(lock_ms=SHORT_MS, session=worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS)
    again = kit.work(session=worker("two"))
    assert (number(again), again.attempt_count) == (2, 2)


def test_session_lock_expires_activity_lock_valid_ack_succeeds(kit: Kit, clock: Clock) -> None:
    """Losing the session does not keep a worker from acking the activity that it still holds."""
    kit.employ("a", IN_SESSION)
    lease = kit.work(session=worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS)
    kit.store.ack_work_item(lease.lock_token, kit.completion("a"))
    assert list(kit.fetch().messages) == [kit.completion("a")]


def test_session_lock_renewal_extends_past_original_timeout(kit: Kit, clock: Clock) -> None:
    """A renewed session counts from its renewal, and so outlives its first lock."""
    kit.employ("a", IN_SESSION)
    run(kit, worker("one", SHORT_MS))
    clock.pass_ms(SHORT_MS * 3 // 5)
    assert kit.store.renew_session_lock(["one"], SHORT_MS, IDLE_MS) == 1
    kit.schedule("a", IN_SESSION)
    clock.pass_ms(SHORT_MS - 1)
    assert fetched(kit, worker("two")) is None
    assert run(kit, worker("one")) == 3

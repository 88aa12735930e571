"""Giving a turn back, and holding on to one."""

from sqlalchemy import case, delete, update

from holystone.clock import now_ms
from holystone.duroxide.tables import instance_locks, orchestrator_queue
from holystone.store.store import Store
from holystone.store.turns.locks import require_one


def abandon(store: Store, lock_token: str, delay_ms: int | None, ignore_attempt: bool) -> None:
    """Release the instance and its messages, for others to take at once or after a delay in ms.

    With `ignore_attempt` the fetch does not count as one. LockLostError where the token locks nothing.
    """
    queue = orchestrator_queue
    with store.turn() as connection:
        values: dict[str, object] = {"lock_token": None, "locked_until": None}
        if delay_ms is not None:
            values["visible_at"] = store.flavour.queue_time(now_ms() + delay_ms)
        if ignore_attempt:
            values["attempt_count"] = case((queue.c.attempt_count > 0, queue.c.attempt_count - 1), else_=0)
        connection.execute(update(queue).where(queue.c.lock_token == lock_token).values(values))
        released = connection.execute(delete(instance_locks).where(instance_locks.c.lock_token == lock_token))
        require_one(released.rowcount, "turn", lock_token)


def renew(store: Store, lock_token: str, extend_ms: int) -> None:
    """Lock the instance for `extend_ms` from now; LockLostError where the lock has expired or is not ours."""
    now = now_ms()
    held = (instance_locks.c.lock_token == lock_token) & (instance_locks.c.locked_until > now)
    with store.turn() as connection:
        if store.flavour.messages_carry_expiry:
            stamped = orchestrator_queue.c.lock_token == lock_token
            connection.execute(update(orchestrator_queue).where(stamped).values(locked_until=now + extend_ms))
        renewed = connection.execute(update(instance_locks).where(held).values(locked_until=now + extend_ms))
        require_one(renewed.rowcount, "turn", lock_token)

"""Activities: fetch one, ack it with its completion, give it back, or hold on to it."""

from sqlalchemy import case, delete, or_, select, update

from holystone.clock import now_ms
from holystone.errors import InvalidTurnError
from holystone.store.store import Store
from holystone.store.tables import worker_queue
from holystone.store.turns import queues
from holystone.store.turns.lease import WorkLease
from holystone.store.turns.locks import new_token, require_one
from holystone.store.work_item import WorkItem

_COMPLETIONS = ("ActivityCompleted", "ActivityFailed")


def fetch(store: Store, lock_timeout_ms: int) -> WorkLease | None:
    """Return the next activity without session and tag, locked for `lock_timeout_ms`, or None where there is none."""
    queue = worker_queue
    with store.transaction() as connection:
        now = now_ms()
        row = connection.execute(
            select(queue.c.id, queue.c.work_item, queue.c.attempt_count)
            .where(
                queue.c.visible_at <= store.flavour.queue_time(now),
                or_(queue.c.lock_token.is_(None), queue.c.locked_until <= now),
                queue.c.session_id.is_(None),
                queue.c.tag.is_(None),
            )
            .order_by(queue.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            return None
        lease = WorkLease(WorkItem.from_json(row.work_item), new_token(), row.attempt_count + 1)
        locked = {
            "lock_token": lease.lock_token,
            "locked_until": now + lock_timeout_ms,
            "attempt_count": lease.attempt_count,
        }
        connection.execute(update(queue).where(queue.c.id == row.id).values(locked))
        return lease


def ack(store: Store, lock_token: str, completion: WorkItem | None) -> None:
    """Take the activity out of the queue and tell its orchestration; None tells nobody.

    LockLostError where the lock has expired, or the activity was cancelled meanwhile.
    """
    if completion is not None and completion.kind not in _COMPLETIONS:
        raise InvalidTurnError(
            f"A {completion.kind} for {completion.instance_id!r} completes no activity.",
            "Mend the caller: nothing was written.",
        )
    with store.transaction() as connection:
        now = now_ms()
        held = (worker_queue.c.lock_token == lock_token) & (worker_queue.c.locked_until > now)
        require_one(connection.execute(delete(worker_queue).where(held)).rowcount, "activity", lock_token)
        if completion is not None:
            queues.put_for_orchestrator(store.flavour, connection, completion, now)


def abandon(store: Store, lock_token: str, delay_ms: int | None, ignore_attempt: bool) -> None:
    """Give the activity back, visible at once or after a delay in ms; LockLostError where the token locks none."""
    queue = worker_queue
    attempts = queue.c.attempt_count
    values: dict[str, object] = {
        "lock_token": None,
        "locked_until": None,
        "visible_at": store.flavour.queue_time(now_ms() + (delay_ms or 0)),
    }
    if ignore_attempt:
        values["attempt_count"] = case((attempts > 0, attempts - 1), else_=0)
    with store.transaction() as connection:
        given_back = connection.execute(update(queue).where(queue.c.lock_token == lock_token).values(values))
        require_one(given_back.rowcount, "activity", lock_token)


def renew(store: Store, lock_token: str, extend_ms: int) -> None:
    """Lock the activity for `extend_ms` from now; LockLostError where the lock has expired or it was cancelled."""
    now = now_ms()
    held = (worker_queue.c.lock_token == lock_token) & (worker_queue.c.locked_until > now)
    with store.transaction() as connection:
        renewed = connection.execute(update(worker_queue).where(held).values(locked_until=now + extend_ms))
        require_one(renewed.rowcount, "activity", lock_token)

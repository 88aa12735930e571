"""Tokens, and what it means that one locks nothing."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, select, update

from holystone.duroxide.tables import instance_locks, orchestrator_queue
from holystone.errors import LockLostError
from holystone.flavours.statements import NoRowError, Required, Step
from holystone.store.open_store import OpenStore


def one_less(attempts: ColumnElement[int]) -> ColumnElement[int]:
    """Return the attempts as if the last one had not been made; never below 0."""
    return case((attempts > 0, attempts - 1), else_=0)


DELETE_MESSAGES = delete(orchestrator_queue).where(orchestrator_queue.c.lock_token == bindparam("token"))
"""Takes the messages of a turn out of the queue."""
STAMPED = update(orchestrator_queue).where(orchestrator_queue.c.lock_token == bindparam("token"))
"""Changes the messages of a turn."""
NOT_COUNTED = STAMPED.values(attempt_count=one_less(orchestrator_queue.c.attempt_count))
"""Does the same, as if nobody had taken it."""
RELEASED: Mapping[str, object] = {"lock_token": None, "locked_until": None}
"""What there is to change in messages that are given back."""
_TOKEN = instance_locks.c.lock_token == bindparam("token")
HOLD_LOCK = select(instance_locks.c.instance_id).where(_TOKEN).with_for_update()
"""Finds the instance of a turn, and keeps the lock as it is until the end of the transaction."""
DELETE_LOCK = delete(instance_locks).where(_TOKEN)
"""Releases the instance of a turn."""


def release(lock_token: str) -> list[Step]:
    """Return how to release the instance of a turn, where the token still locks one.

    Its row comes last of all that a turn writes to, as in a deletion: two that wait for each other would wait for ever.
    """
    token = {"token": lock_token}
    return [Required(HOLD_LOCK, token), (DELETE_LOCK, token)]


def is_live(locked_until: ColumnElement[Any], now: object) -> ColumnElement[bool]:
    """Return whether a lock still holds at `now`, in ms or a parameter: to the ms of its end it is anybody's again."""
    return locked_until > now


def new_token() -> str:
    """Return a token that nobody else has."""
    return f"lock_{uuid.uuid4()}"


def commit_held(store: OpenStore, connection: Connection, steps: Sequence[Step], what: str, lock_token: str) -> None:
    """Run the last statements of a transaction, and commit it where those that are `Required` find the lock.

    LockLostError where one does not; nothing is committed then.
    """
    try:
        store.flavour.commit_pipeline(connection, steps)
    except NoRowError:
        raise lock_lost_error(what, lock_token) from None


def lock_lost_error(what: str, lock_token: str) -> LockLostError:
    """Return the error for a token that locks no `what`: it never did, it expired, or somebody took it over."""
    return LockLostError(f"No {what} is locked with the token {lock_token!r}, or no longer.", f"Fetch the {what} anew.")

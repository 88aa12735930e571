"""Tokens, and what it means that one locks nothing."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete

from holystone.duroxide.tables import instance_locks, orchestrator_queue
from holystone.errors import LockLostError
from holystone.flavours.statements import BoundStatement, NoRowError
from holystone.store.open_store import OpenStore

DELETE_MESSAGES = delete(orchestrator_queue).where(orchestrator_queue.c.lock_token == bindparam("token"))
"""Takes the messages of a turn out of the queue."""
DELETE_LOCK = delete(instance_locks).where(instance_locks.c.lock_token == bindparam("token"))
"""Releases the instance of a turn."""


def is_live(locked_until: ColumnElement[Any], now: object) -> ColumnElement[bool]:
    """Return whether a lock still holds at `now`, in ms or a parameter: to the ms of its end it is anybody's again."""
    return locked_until > now


def new_token() -> str:
    """Return a token that nobody else has."""
    return f"lock_{uuid.uuid4()}"


def commit_held(
    store: OpenStore,
    connection: Connection,
    steps: Sequence[BoundStatement],
    required: BoundStatement,
    what: str,
    lock_token: str,
) -> None:
    """Run the last statements of a transaction, and commit it where the token still locks the row of the last one.

    LockLostError where it does not; nothing is committed then.
    """
    try:
        store.flavour.commit_pipeline(connection, steps, required)
    except NoRowError:
        raise lock_lost_error(what, lock_token) from None


def lock_lost_error(what: str, lock_token: str) -> LockLostError:
    """Return the error for a token that locks no `what`: it never did, it expired, or somebody took it over."""
    return LockLostError(f"No {what} is locked with the token {lock_token!r}, or no longer.", f"Fetch the {what} anew.")

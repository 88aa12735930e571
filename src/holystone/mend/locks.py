"""The engine's own instance locks, as a repair has to respect them."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, select

from holystone.duroxide.tables import instance_locks
from holystone.store.open_store import OpenStore

BUSY = "the engine is working on the instance"


def busy_instances(store: OpenStore, connection: Connection, instance_ids: Iterable[Any]) -> set[str]:
    """Return those instances in the middle of a turn; the others begin none until the transaction ends.

    The engine fetches a turn by a row of instance_locks with an expiry in ms, and its ack writes only while
    that has not come; an expired row is nobody's lock, nor is one whose end no engine can have written.
    """
    # What is no text is no instance of the engine's, and cannot be in a turn.
    wanted = sorted({instance_id for instance_id in instance_ids if isinstance(instance_id, str)})
    busy = store.flavour.exclude_engine(connection, wanted)
    held = select(instance_locks.c.instance_id).where(
        store.flavour.among(instance_locks.c.instance_id, wanted),
        store.flavour.times.is_held(instance_locks.c.locked_until),
    )
    return busy | set(connection.execute(held).scalars())


def why_busy(store: OpenStore, connection: Connection, instance_ids: Collection[str]) -> str:
    """Return why busy instances cannot be repaired now, with the session that works on one where that is known."""
    holders = (store.flavour.who_holds(connection, instance) for instance in sorted(instance_ids))
    return next((f"{BUSY}: {holder}" for holder in holders if holder is not None), BUSY)

"""The key-value store: what an execution writes lies in kv_delta until it ends, and in kv_store after.

A NULL in kv_delta is a tombstone: the key goes when the execution ends.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, literal, null, select, update

from holystone.store.event import Event
from holystone.store.flavours import Flavour
from holystone.store.keys import KEY_EVENTS, written
from holystone.store.store import Store
from holystone.store.tables import kv_delta, kv_store, kv_store_execution_id


def record(store: Store, connection: Connection, instance_id: str, delta: Sequence[Event], now: int) -> bool:
    """Write a turn's changes of keys to kv_delta; return whether there were any."""
    changes, cleared_at_ms = written((event.fields for event in delta if event.type in KEY_EVENTS), now)
    if cleared_at_ms is not None:
        _clear(store, connection, instance_id, now)
    if changes:
        connection.execute(
            store.prepared(_set),
            [
                {"instance_id": instance_id, "key": key, "value": value, "last_updated_at_ms": at_ms}
                for key, (value, at_ms) in changes.items()
            ],
        )
    return cleared_at_ms is not None or bool(changes)


def merge(store: Store, connection: Connection, instance_id: str, execution_id: int) -> None:
    """Move kv_delta to kv_store: at the end of an execution, whatever its status."""
    of_instance = kv_delta.c.instance_id == instance_id
    wanted = [kv_delta.c.instance_id, kv_delta.c.key, kv_delta.c.value, kv_delta.c.last_updated_at_ms]
    kept = select(*wanted).where(of_instance, kv_delta.c.value.is_not(None))
    target, names = kv_store, ["instance_id", "key", "value", "last_updated_at_ms"]
    if "execution_id" in store.columns[kv_store.name]:  # PostgreSQL kept the column of an earlier schema
        target, names = kv_store_execution_id, [*names, "execution_id"]
        kept = kept.add_columns(literal(execution_id))
    upsert = store.flavour.insert(target).from_select(names, kept)
    changed = {name: upsert.excluded[name] for name in names[2:]}
    connection.execute(upsert.on_conflict_do_update(index_elements=["instance_id", "key"], set_=changed))
    gone = select(kv_delta.c.key).where(of_instance, kv_delta.c.value.is_(None))
    connection.execute(delete(kv_store).where(kv_store.c.instance_id == instance_id, kv_store.c.key.in_(gone)))
    connection.execute(delete(kv_delta).where(of_instance))


_SNAPSHOT = select(kv_store.c.key, kv_store.c.value, kv_store.c.last_updated_at_ms).where(
    kv_store.c.instance_id == bindparam("instance")
)


def snapshot(connection: Connection, instance_id: str) -> dict[str, tuple[str, int]]:
    """Return the keys as they were when the current execution began: key -> (value, last update in ms)."""
    return {key: (value, at_ms) for key, value, at_ms in connection.execute(_SNAPSHOT, {"instance": instance_id})}


def values(store: Store, instance_id: str) -> dict[str, str]:
    """Return all keys of an instance as its turns left them: what its current execution wrote, over what was before."""
    with store.snapshot() as connection:
        found: dict[str, str | None] = {}
        for table in (kv_store, kv_delta):
            rows = select(table.c.key, table.c.value).where(table.c.instance_id == instance_id)
            found |= dict(connection.execute(rows).all())
    return {key: value for key, value in found.items() if value is not None}


def _set(flavour: Flavour) -> Any:
    upsert = flavour.insert(kv_delta)
    changed = {name: upsert.excluded[name] for name in ("value", "last_updated_at_ms")}
    return upsert.on_conflict_do_update(index_elements=["instance_id", "key"], set_=changed)


def _clear(store: Store, connection: Connection, instance_id: str, now: int) -> None:
    of_instance = kv_delta.c.instance_id == instance_id
    connection.execute(update(kv_delta).where(of_instance).values(value=None, last_updated_at_ms=now))
    known = select(kv_store.c.instance_id, kv_store.c.key, null(), literal(now)).where(
        kv_store.c.instance_id == instance_id
    )
    names = ["instance_id", "key", "value", "last_updated_at_ms"]
    connection.execute(store.flavour.insert(kv_delta).from_select(names, known).on_conflict_do_nothing())

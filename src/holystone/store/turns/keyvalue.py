"""The key-value store: what an execution writes lies in kv_delta until it ends, and in kv_store after.

A NULL in kv_delta is a tombstone: the key goes when the execution ends.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, literal, select, update

from holystone.store.event import Event
from holystone.store.store import Store
from holystone.store.tables import kv_delta, kv_store, kv_store_execution_id


def record(store: Store, connection: Connection, instance_id: str, delta: Sequence[Event], now: int) -> None:
    """Write a turn's changes of keys to kv_delta."""
    for event in delta:
        if event.type == "KeyValueSet":
            _set(
                store,
                connection,
                instance_id,
                event.payload["key"],
                event.payload["value"],
                event.payload["last_updated_at_ms"],
            )
        elif event.type == "KeyValueCleared":
            _set(store, connection, instance_id, event.payload["key"], None, now)
        elif event.type == "KeyValuesCleared":
            _clear(store, connection, instance_id, now)


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


def snapshot(connection: Connection, instance_id: str) -> dict[str, tuple[str, int]]:
    """Return the keys as they were when the current execution began: key -> (value, last update in ms)."""
    rows = connection.execute(
        select(kv_store.c.key, kv_store.c.value, kv_store.c.last_updated_at_ms).where(
            kv_store.c.instance_id == instance_id
        )
    )
    return {key: (value, updated) for key, value, updated in rows}


def _set(store: Store, connection: Connection, instance_id: str, key: str, value: str | None, at_ms: int) -> None:
    row = {"instance_id": instance_id, "key": key, "value": value, "last_updated_at_ms": at_ms}
    upsert = store.flavour.insert(kv_delta).values(row)
    changed = {"value": upsert.excluded.value, "last_updated_at_ms": upsert.excluded.last_updated_at_ms}
    connection.execute(upsert.on_conflict_do_update(index_elements=["instance_id", "key"], set_=changed))


def _clear(store: Store, connection: Connection, instance_id: str, now: int) -> None:
    of_instance = kv_delta.c.instance_id == instance_id
    connection.execute(update(kv_delta).where(of_instance).values(value=None, last_updated_at_ms=now))
    known = select(kv_store.c.key).where(kv_store.c.instance_id == instance_id)
    for key in connection.execute(known).scalars().all():
        _set(store, connection, instance_id, key, None, now)

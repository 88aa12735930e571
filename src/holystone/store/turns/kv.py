"""The key-value store: what an execution writes lies in kv_delta until it ends, and in kv_store after.

A NULL in kv_delta is a tombstone: the key goes when the execution ends.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, null, select, update

from holystone.duroxide.event import Event
from holystone.duroxide.kv import KEY_EVENTS, written
from holystone.duroxide.tables import kv_delta, kv_store, kv_store_execution_id
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement
from holystone.store.open_store import OpenStore


class KeyValues(OpenStore):
    """The key-value stores of instances."""

    def get_kv_value(self, instance_id: str, key: str) -> str | None:
        """Return the value of a key of an instance, None where there is no such key."""
        return self.get_kv_all_values(instance_id).get(key)

    def get_kv_all_values(self, instance_id: str) -> dict[str, str]:
        """Return all keys of an instance as its turns left them: what its current execution wrote, over what was
        before.
        """
        with self.snapshot() as connection:
            return read_values(connection, instance_id)


def read_values(connection: Connection, instance_id: str) -> dict[str, str]:
    """Return all keys of an instance, as `KeyValues.get_kv_all_values` does."""
    found: dict[str, str | None] = {}
    for table in (kv_store, kv_delta):
        rows = select(table.c.key, table.c.value).where(table.c.instance_id == instance_id)
        found |= dict(connection.execute(rows).all())
    return {key: value for key, value in found.items() if value is not None}


def record(store: OpenStore, instance_id: str, delta: Sequence[Event], now: int) -> list[BoundStatement]:
    """Return how to write a turn's changes of keys to kv_delta; nothing where it has changed none."""
    changes, cleared_at_ms = written((event.fields for event in delta if event.type in KEY_EVENTS), now)
    steps: list[BoundStatement] = []
    if cleared_at_ms is not None:
        cleared = {"instance": instance_id, "cleared_at": now}
        steps += [(_CLEAR, cleared), (store.prepared(_bury), cleared)]
    if changes:
        rows = [
            {"instance_id": instance_id, "key": key, "value": value, "last_updated_at_ms": at_ms}
            for key, (value, at_ms) in changes.items()
        ]
        steps.append((store.prepared(_set), rows))
    return steps


def merge(store: OpenStore, instance_id: str, execution_id: int) -> list[BoundStatement]:
    """Return how to move kv_delta to kv_store: at the end of an execution, whatever its status."""
    # PostgreSQL kept the column of an earlier schema.
    numbered = "execution_id" in store.columns[kv_store.name]
    moved: dict[str, object] = {"instance": instance_id}
    upsert = moved | {"execution": execution_id} if numbered else moved
    return [(store.prepared(_move, numbered), upsert), (_FORGET, moved), (_EMPTY, moved)]


_DELTA = kv_delta.c.instance_id == bindparam("instance")
_STORE = kv_store.c.instance_id == bindparam("instance")
_FORGET = delete(kv_store).where(
    _STORE, kv_store.c.key.in_(select(kv_delta.c.key).where(_DELTA, kv_delta.c.value.is_(None)))
)
_EMPTY = delete(kv_delta).where(_DELTA)
_CLEAR = update(kv_delta).where(_DELTA).values(value=None, last_updated_at_ms=bindparam("cleared_at"))

_SNAPSHOT = select(kv_store.c.key, kv_store.c.value, kv_store.c.last_updated_at_ms).where(_STORE)


def kv_before_execution(store: OpenStore, instance_id: str) -> dict[str, tuple[str, int]]:
    """Return the keys as they were when the current execution began: key -> (value, last update in ms).

    They change with the end of a turn alone.
    """
    with store.outside_transactions() as connection:
        (found,) = store.flavour.commit_pipeline(connection, [(_SNAPSHOT, {"instance": instance_id})])
    return {row.key: (row.value, row.last_updated_at_ms) for row in found.rows}


def _set(flavour: Flavour) -> Any:
    upsert = flavour.insert(kv_delta).inline()
    changed = {name: upsert.excluded[name] for name in ("value", "last_updated_at_ms")}
    return upsert.on_conflict_do_update(index_elements=["instance_id", "key"], set_=changed)


def _bury(flavour: Flavour) -> Any:
    """Put a tombstone on each key that kv_store has."""
    known = select(kv_store.c.instance_id, kv_store.c.key, null(), bindparam("cleared_at", type_=BigInteger))
    names = ["instance_id", "key", "value", "last_updated_at_ms"]
    return flavour.insert(kv_delta).inline().from_select(names, known.where(_STORE)).on_conflict_do_nothing()


def _move(flavour: Flavour, numbered: bool) -> Any:
    kept = select(kv_delta.c.instance_id, kv_delta.c.key, kv_delta.c.value, kv_delta.c.last_updated_at_ms)
    kept = kept.where(_DELTA, kv_delta.c.value.is_not(None))
    target, names = kv_store, ["instance_id", "key", "value", "last_updated_at_ms"]
    if numbered:
        target, names = kv_store_execution_id, [*names, "execution_id"]
        kept = kept.add_columns(bindparam("execution", type_=BigInteger))
    upsert = flavour.insert(target).inline().from_select(names, kept)
    changed = {name: upsert.excluded[name] for name in names[2:]}
    return upsert.on_conflict_do_update(index_elements=["instance_id", "key"], set_=changed)

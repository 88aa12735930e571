"""Keys as the engine keeps them, for cases of kv_store and kv_delta."""

from __future__ import annotations

from typing import Any

from holystone.demo.scribe import Payload, Scribe
from holystone.duroxide.tables import kv_delta, kv_store, kv_store_execution_id

AT_MS = 1_760_000_000_500
"""When the keys of the cases were set, in ms since the epoch."""


def key_set(key: str, value: str, at_ms: int = AT_MS) -> Payload:
    return "KeyValueSet", {"key": key, "value": value, "last_updated_at_ms": at_ms}


def key_cleared(key: str) -> Payload:
    return "KeyValueCleared", {"key": key}


def keys_cleared() -> Payload:
    return "KeyValuesCleared", {}


def stored(scribe: Scribe, instance: str, key: str, value: str, at_ms: int = AT_MS, execution_id: int = 1) -> None:
    """Put a key into kv_store, with the column that PostgreSQL has kept where it is there."""
    row: dict[str, Any] = {"instance_id": instance, "key": key, "value": value, "last_updated_at_ms": at_ms}
    if scribe.flavour.name == "postgresql":
        scribe.add(kv_store_execution_id, **row, execution_id=execution_id)
    else:
        scribe.add(kv_store, **row)


def changed(scribe: Scribe, instance: str, key: str, value: str | None, at_ms: int = AT_MS) -> None:
    """Put a key into kv_delta; None is one that was cleared."""
    scribe.add(kv_delta, instance_id=instance, key=key, value=value, last_updated_at_ms=at_ms)

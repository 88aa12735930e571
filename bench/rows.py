"""The rows of a made-up store: the tables that are written, and what an instance is while it is made up."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

EPOCH_MS = 1_735_689_600_000  # 2025-01-01 00:00:00 UTC: the first instance starts here
START_EVERY_MS = 700
FAR_FUTURE_MS = 4_102_444_800_000  # 2100-01-01: the timers of live instances fire here
ENGINE_VERSION = "0.1.32"
ENGINE_VERSION_PARTS = (0, 1, 32)
VERSION = "1.0.0"
ACTIVITIES = ("Reserve", "Charge", "Pack", "Ship", "Notify", "Archive")
POOL_SIZE = 997

Row = tuple[str | int | None, ...]

COLUMNS: dict[str, tuple[str, ...]] = {
    "instances": (
        "instance_id",
        "orchestration_name",
        "orchestration_version",
        "current_execution_id",
        "created_at",
        "updated_at",
        "parent_instance_id",
        "custom_status",
        "custom_status_version",
    ),
    "executions": (
        "instance_id",
        "execution_id",
        "status",
        "output",
        "started_at",
        "completed_at",
        "duroxide_version_major",
        "duroxide_version_minor",
        "duroxide_version_patch",
    ),
    "history": ("instance_id", "execution_id", "event_id", "event_type", "event_data", "created_at"),
    "kv_store": ("instance_id", "key", "value", "last_updated_at_ms"),
    "kv_delta": ("instance_id", "key", "value", "last_updated_at_ms"),
    "orchestrator_queue": ("instance_id", "work_item", "visible_at", "created_at"),
    "worker_queue": ("work_item", "visible_at", "created_at", "instance_id", "execution_id", "activity_id"),
}
"""Table -> the columns that are written; the others keep the engine's defaults."""


@lru_cache(maxsize=4096)
def stamp(second: int) -> str:
    """Return ``YYYY-MM-DD HH:MM:SS`` (UTC) for seconds since the epoch."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))


def quoted(text: str) -> str:
    """Return the text as a JSON string, escaped the way the engine escapes it."""
    return json.dumps(text, ensure_ascii=False)


def pool(rng: random.Random, shape: Callable[[random.Random, int], object]) -> list[str]:
    """Return quoted JSON documents to draw payloads from: made once, for escaping is what costs time."""
    return [quoted(json.dumps(shape(rng, number))) for number in range(POOL_SIZE)]


def request(rng: random.Random, number: int) -> object:
    """Return an activity's input; about 60 bytes once escaped."""
    note = 'by "noon"' if number % 9 == 0 else ""
    return {"order": rng.randrange(10**7), "sku": f"SKU-{number:04d}", "note": note}


def answer(rng: random.Random, number: int) -> object:
    """Return an activity's result; about 60 bytes once escaped."""
    return {"ok": True, "reservation": f"R{rng.randrange(10**9):09d}", "attempt": 1 + number % 3}


@dataclass
class Batch:
    """Rows waiting to be written, by table."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in COLUMNS})

    def clear(self) -> None:
        """Forget the rows."""
        for rows in self.rows.values():
            rows.clear()


@dataclass
class Life:
    """One instance while it is made up: its clock (ms since the epoch) and what its columns will hold."""

    instance_id: str
    name: str
    now: int
    parent: str | None = None
    execution_id: int = 0
    event_id: int = 0
    created: str = ""
    started: str = ""
    custom_status: str | None = None
    custom_status_version: int = 0
    kv_store: dict[str, tuple[str, int]] = field(default_factory=dict)
    kv_delta: dict[str, tuple[str, int]] = field(default_factory=dict)

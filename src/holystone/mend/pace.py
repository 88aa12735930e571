"""How much is written at a time, and how long the engine is let alone in between.

On SQLite a writer shuts out all others, and a transaction of the engine that began to read before our commit
fails when it comes to write. After some such failures of one ack the engine gives the orchestration up, as
Failed, for good: so while it is at work, little is written at a time and much is rested.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, exists, or_, select

from holystone.duroxide.tables import instance_locks, orchestrator_queue, worker_queue
from holystone.store.open_store import OpenStore

CHUNK = 100
"""Rows in one of the first transactions while the engine rests."""
MOST_IN_A_CHUNK = 1_000
"""Rows in one transaction at most."""
LONGEST_SECONDS = 0.5
"""How long a transaction may take while the engine rests: it waits some seconds for a lock before it gives up."""
GENTLE_CHUNK = 10
"""Rows in one transaction while the engine is at work, and in the first one."""
REST = 10.0
"""How many times as long as a transaction the engine is let alone after it, while it is at work."""

T = TypeVar("T")


class Pace:
    """The pace of one run over a store."""

    def __init__(self, store: OpenStore) -> None:
        self._store = store
        self._size = GENTLE_CHUNK
        self._rest_seconds = 0.0

    def chunks(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """Yield the items in slices, each for one transaction; rests between them where it has to."""
        start = 0
        while start < len(items):
            chunk = items[start : start + self._size]
            yield chunk
            start += len(chunk)
            if start < len(items):
                time.sleep(self._rest_seconds)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one writing transaction, and learn from it how to go on."""
        with self._store.transaction() as connection:
            begun = time.monotonic()
            at_work = engine_at_work(self._store, connection)
            yield connection
        seconds = time.monotonic() - begun
        self._size = GENTLE_CHUNK if at_work else self._next_size(seconds)
        self._rest_seconds = REST * seconds if at_work else 0.0

    def _next_size(self, seconds: float) -> int:
        """Return how many rows the next transaction takes: each has a cost of its own, so as many as are quick."""
        if self._size < CHUNK:
            return CHUNK
        if seconds > LONGEST_SECONDS:
            return max(CHUNK, self._size // 2)
        return min(MOST_IN_A_CHUNK, 2 * self._size) if seconds < LONGEST_SECONDS / 2 else self._size


def engine_at_work(store: OpenStore, connection: Connection) -> bool:
    """Return whether the engine is in the middle of a turn or an activity, or has one to begin by now."""
    locks = (instance_locks, worker_queue, orchestrator_queue)
    held = (exists().where(store.flavour.times.is_held(table.c.locked_until)) for table in locks)
    return bool(connection.execute(select(or_(*held))).scalar_one())

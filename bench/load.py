"""Keep the real engine at work on a store: ``TARGET SCHEMA WORKERS``, until its input ends.

As many instances as workers run one activity after the other and continue as new after some. For each line of its input
it prints what happened since the line before: activities a second, and the time from one activity of an instance to
its next one (a turn and an activity), in ms, the median and that of one in a hundred.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Generator
from typing import Any

import duroxide

ACTIVITIES = 20
"""Of an execution before it continues as new."""


class Cycles:
    """The activities that have run, and how long after the one before of the same instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[int, float] = {}
        self._since = time.perf_counter()
        self._ms: list[float] = []

    def activity(self, context: Any, instance: int) -> int:
        """Note that an instance has come this far."""
        now = time.perf_counter()
        with self._lock:
            if instance in self._last:
                self._ms.append((now - self._last[instance]) * 1000)
            self._last[instance] = now
        return instance

    def told(self) -> dict[str, float]:
        """Return what happened since this was asked last."""
        now = time.perf_counter()
        with self._lock:
            ms, self._ms = sorted(self._ms), []
            seconds, self._since = now - self._since, now
        if not ms:
            return {"rate": 0.0, "p50": seconds * 1000, "p99": seconds * 1000}
        return {"rate": len(ms) / seconds, "p50": ms[len(ms) // 2], "p99": ms[len(ms) * 99 // 100]}


def orchestration(context: Any, instance: int) -> Generator[Any, Any, Any]:
    for _ in range(ACTIVITIES):
        yield context.schedule_activity("Note", instance)
    yield context.continue_as_new(instance)


def main() -> None:
    target, schema, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    # The engine writes its warnings to the standard output, and would write them in the middle of a line.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if schema == "-":
        provider = duroxide.SqliteProvider.open(target)
    else:
        provider = duroxide.PostgresProvider.connect_with_schema(target, schema)
    cycles = Cycles()
    client = duroxide.Client(provider)
    run = uuid.uuid4()
    options = duroxide.RuntimeOptions(
        orchestration_concurrency=workers, worker_concurrency=workers, dispatcher_poll_interval_ms=5, log_level="off"
    )
    runtime = duroxide.Runtime(provider, options)
    runtime.register_activity("Note", cycles.activity)
    runtime.register_orchestration("Busy", orchestration)
    runtime.start()
    for number in range(workers):
        client.start_orchestration(f"busy-{run}-{number}", "Busy", number)
    for _ in sys.stdin:
        print(json.dumps(cycles.told()), file=out, flush=True)
    runtime.shutdown(1000)


if __name__ == "__main__":
    main()

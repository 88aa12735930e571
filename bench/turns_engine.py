"""Take turns with the real engine: ``TARGET SCHEMA INSTANCES ACTIVITIES WORKERS``.

Says that it is ready, waits for a line, and takes turns until another one comes; then prints the processor time in
seconds.

A process of its own: two copies of SQLite in one process drop each other's locks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from typing import Any

import duroxide


def activity(context: Any, value: Any) -> Any:
    return value


def orchestration(context: Any, activities: int) -> Generator[Any, Any, Any]:
    for number in range(activities):
        yield context.schedule_activity("Echo", number)
    return activities


def main() -> None:
    target, schema = sys.argv[1:3]
    instances, activities, workers = map(int, sys.argv[3:6])
    if schema == "-":
        provider = duroxide.SqliteProvider.open(target)
    else:
        provider = duroxide.PostgresProvider.connect_with_schema(target, schema)
    client = duroxide.Client(provider)
    for number in range(instances):
        client.start_orchestration(f"order-{number}", "Order", activities)
    options = duroxide.RuntimeOptions(
        orchestration_concurrency=workers, worker_concurrency=workers, dispatcher_poll_interval_ms=5, log_level="off"
    )
    runtime = duroxide.Runtime(provider, options)
    runtime.register_activity("Echo", activity)
    runtime.register_orchestration("Order", orchestration)
    print("ready", flush=True)
    sys.stdin.readline()
    worked = time.process_time()
    runtime.start()
    sys.stdin.readline()
    print(time.process_time() - worked)
    runtime.shutdown(1000)


if __name__ == "__main__":
    main()

"""Take turns with the real engine: ``TARGET SCHEMA INSTANCES WORKERS``; prints the seconds that they took.

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


def orchestration(context: Any, value: Any) -> Generator[Any, Any, Any]:
    return (yield context.schedule_activity("Echo", value))


def main() -> None:
    target, schema, instances, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if schema == "-":
        provider = duroxide.SqliteProvider.open(target)
    else:
        provider = duroxide.PostgresProvider.connect_with_schema(target, schema)
    client = duroxide.Client(provider)
    for number in range(instances):
        client.start_orchestration(f"order-{number}", "Order", number)
    options = duroxide.RuntimeOptions(
        orchestration_concurrency=workers, worker_concurrency=workers, dispatcher_poll_interval_ms=5, log_level="off"
    )
    runtime = duroxide.Runtime(provider, options)
    runtime.register_activity("Echo", activity)
    runtime.register_orchestration("Order", orchestration)
    begun = time.perf_counter()
    runtime.start()
    while (counts := client.get_system_metrics()).completed_instances + counts.failed_instances < instances:
        time.sleep(0.05)
    print(time.perf_counter() - begun, counts.failed_instances)
    runtime.shutdown(1000)


if __name__ == "__main__":
    main()

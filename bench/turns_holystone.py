"""Take the same turns with holystone: ``TARGET SCHEMA INSTANCES WORKERS KIND``; prints the seconds that they took.

KIND is what the workers are, threads or processes.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from threading import get_ident

from holystone.clock import now_ms
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem, WorkLease

LOCK_MS = 30_000
ENGINE_VERSION = "0.1.32"


def main() -> None:
    target, schema, instances, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    pools: dict[str, type[Executor]] = {"threads": ThreadPoolExecutor, "processes": ProcessPoolExecutor}
    place = (target, None if schema == "-" else schema)
    store = Store.open(*place)
    for number in range(instances):
        store.enqueue_for_orchestrator(
            WorkItem.new(
                "StartOrchestration",
                instance=f"order-{number}",
                orchestration="Order",
                input=str(number),
                version=None,
                parent_instance=None,
                parent_id=None,
                execution_id=1,
            )
        )
    with pools[sys.argv[5]](workers) as pool:  # type: ignore[call-arg]
        list(pool.map(rest, [place] * workers))
        begun = time.perf_counter()
        ended = sum(pool.map(work, [place] * workers))
        print(time.perf_counter() - begun, instances - ended)


Place = tuple[str, str | None]


@cache
def opened(place: Place, thread: int) -> Store:
    """Return the store of a worker."""
    return Store.open(*place)


def rest(place: Place) -> None:
    """Open the store, and keep the worker busy until each of the others has done so as well."""
    opened(place, get_ident()).fetch_work_item(LOCK_MS)
    time.sleep(1)


def work(place: Place) -> int:
    """Take turns and activities until there are none; return how many instances ended."""
    store = opened(place, get_ident())
    ended = idle = 0
    while idle < 3:
        item = store.fetch_orchestration_item(LOCK_MS)
        lease = None if item is not None else store.fetch_work_item(LOCK_MS)
        if item is not None:
            ended += turn(store, item)
        elif lease is not None:
            run_activity(store, lease)
        else:
            idle += 1
            time.sleep(0.005)
            continue
        idle = 0
    return ended


def turn(store: Store, item: OrchestrationItem) -> int:
    """Ack the first turn or the last one; return whether it was the last."""
    (message,) = item.messages
    fields = message.fields
    if not item.history:
        start = {"name": "Order", "version": "1.0.0", "input": fields["input"], "parent_instance": None}
        store.ack_orchestration_item(
            item.lock_token,
            item.execution_id,
            history_delta=[
                event(item, 1, "OrchestrationStarted", parent_id=None, **start),
                event(item, 2, "ActivityScheduled", name="Echo", input=fields["input"]),
            ],
            worker_items=[activity(item.instance_id, fields["input"])],
        )
        return 0
    store.ack_orchestration_item(
        item.lock_token,
        item.execution_id,
        history_delta=[
            event(item, 3, "ActivityCompleted", source_event_id=2, result=fields["result"]),
            event(item, 4, "OrchestrationCompleted", output=fields["result"]),
        ],
    )
    return 1


def activity(instance_id: str, value: str) -> WorkItem:
    """Return the message that has the activity run."""
    return WorkItem.new("ActivityExecute", instance=instance_id, execution_id=1, id=2, name="Echo", input=value)


def run_activity(store: Store, lease: WorkLease) -> None:
    """Ack an activity with its input as the result."""
    fields = lease.item.fields
    completion = {"instance": fields["instance"], "execution_id": fields["execution_id"], "id": fields["id"]}
    store.ack_work_item(lease.lock_token, WorkItem.new("ActivityCompleted", result=fields["input"], **completion))


def event(item: OrchestrationItem, event_id: int, kind: str, **payload: object) -> Event:
    """Return an event that happens now."""
    return Event.new(
        kind,
        event_id=event_id,
        instance_id=item.instance_id,
        execution_id=item.execution_id,
        timestamp_ms=now_ms(),
        duroxide_version=ENGINE_VERSION,
        **payload,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main()

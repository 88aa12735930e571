"""Take the same turns with holystone: ``TARGET SCHEMA INSTANCES ACTIVITIES WORKERS KIND``.

Says that it is ready, waits for a line, and takes turns until another one comes; then prints the processor time in
seconds. An instance has so many activities, one after the other. On PostgreSQL a worker is two threads, one for turns
and one for activities, as in the engine; on SQLite, where one writes at a time and the other would wait, it is one that
does both.

KIND is what the workers are, threads or processes.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache, partial
from multiprocessing.synchronize import Event as Signal
from typing import Any

from holystone.clock import now_ms
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem, WorkLease

LOCK_MS = 30_000
POLL_SECONDS = 0.005
"""From the beginning of a look for work that found none to that of the next, as the engine has it."""
ENGINE_VERSION = "0.1.32"


def main() -> None:
    target, schema = sys.argv[1:3]
    instances, activities, workers = map(int, sys.argv[3:6])
    place = (target, None if schema == "-" else schema)
    store = opened(place)
    for number in range(instances):
        store.enqueue_for_orchestrator(starting(f"order-{number}", activities))
    # Processes are started anew: one that is forked may not use a SQLite file that was open here.
    started_anew = multiprocessing.get_context("spawn")
    stop = started_anew.Event()
    pools: dict[str, Callable[..., Executor]] = {
        "threads": ThreadPoolExecutor,
        "processes": partial(ProcessPoolExecutor, mp_context=started_anew),
    }
    with pools[sys.argv[6]](workers, initializer=remember, initargs=(stop,)) as pool:
        list(pool.map(rest, [place] * workers))
        print("ready", flush=True)
        sys.stdin.readline()
        worked = time.process_time()
        at_work = [pool.submit(work, place) for _ in range(workers)]
        for worker in at_work:
            worker.add_done_callback(end_if_failed)
        sys.stdin.readline()
        stop.set()
        of_workers = sum(worker.result() for worker in at_work)
        print(of_workers if sys.argv[6] == "processes" else time.process_time() - worked)


def end_if_failed(worker: Future[Any]) -> None:
    """End at once where a worker has failed: what it left undone would be waited for."""
    if (error := worker.exception()) is not None:
        traceback.print_exception(error)
        os._exit(1)


Place = tuple[str, str | None]
_stop: list[Signal] = []


def remember(stop: Signal) -> None:
    """Have a worker know what tells it to stop."""
    _stop.append(stop)


@cache
def opened(place: Place) -> Store:
    """Return the store of this process, which its threads share as the engine's dispatchers share a provider."""
    return Store.open(*place)


def rest(place: Place) -> None:
    """Open the store, and keep the worker busy until each of the others has done so as well."""
    opened(place).fetch_work_item(LOCK_MS)
    time.sleep(1)


def work(place: Place) -> float:
    """Take turns and activities until told to stop; return the processor time of this process meanwhile."""
    store = opened(place)
    worked = time.process_time()
    if place[1] is None:
        until_stopped(lambda: take_turn(store) | take_activity(store))
    else:
        with ThreadPoolExecutor(1) as beside:
            activities = beside.submit(until_stopped, lambda: take_activity(store))
            activities.add_done_callback(end_if_failed)
            until_stopped(lambda: take_turn(store))
    return time.process_time() - worked


def until_stopped(take: Callable[[], bool]) -> None:
    """Take what there is until told to stop."""
    while not _stop[-1].is_set():
        begun = time.monotonic()
        if not take():
            time.sleep(max(0.0, begun + POLL_SECONDS - time.monotonic()))


def take_turn(store: Store) -> bool:
    """Take a turn; return whether there was one."""
    item = store.fetch_orchestration_item(LOCK_MS)
    if item is not None:
        turn(store, item)
    return item is not None


def take_activity(store: Store) -> bool:
    """Take an activity; return whether there was one."""
    lease = store.fetch_work_item(LOCK_MS)
    if lease is not None:
        run_activity(store, lease)
    return lease is not None


def starting(instance_id: str, activities: int) -> WorkItem:
    """Return the message that starts an instance of so many activities."""
    return WorkItem.new(
        "StartOrchestration",
        instance=instance_id,
        orchestration="Order",
        input=str(activities),
        version=None,
        parent_instance=None,
        parent_id=None,
        execution_id=1,
    )


def turn(store: Store, item: OrchestrationItem) -> None:
    """Ack a turn: what came, and the next activity or the end."""
    (message,) = item.messages
    fields = message.fields
    if not item.history:
        activities, number = int(fields["input"]), 1
        start = {"name": "Order", "version": "1.0.0", "input": fields["input"], "parent_instance": None}
        news = [event(item, 1, "OrchestrationStarted", parent_id=None, **start)]
    else:
        activities, number = int(item.history[0].payload["input"]), len(item.history) + 1
        news = [event(item, number, "ActivityCompleted", source_event_id=fields["id"], result=fields["result"])]
    done, following = number // 2, number + 1
    if done == activities:
        news.append(event(item, following, "OrchestrationCompleted", output=str(done)))
        store.ack_orchestration_item(item.lock_token, item.execution_id, history_delta=news)
        return
    news.append(event(item, following, "ActivityScheduled", name="Echo", input=str(done)))
    store.ack_orchestration_item(
        item.lock_token,
        item.execution_id,
        history_delta=news,
        worker_items=[activity(item.instance_id, following, str(done))],
    )


def activity(instance_id: str, number: int, value: str) -> WorkItem:
    """Return the message that has the activity run which an event scheduled."""
    return WorkItem.new("ActivityExecute", instance=instance_id, execution_id=1, id=number, name="Echo", input=value)


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

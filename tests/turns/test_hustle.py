"""Turns, activities, deletion and pruning all at once, by many: errors are typed, and no row is left behind."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from conftest import EngineStore
from holystone.errors import DeletionError, LockLostError, UnknownInstanceError
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.records import InstanceFilter
from turns.kit import Kit

pytestmark = pytest.mark.long

SECONDS = 8
WORKERS = 6
INSTANCES = [f"i{number}" for number in range(6)]
NEWS: list[tuple[str, dict[str, Any]]] = [
    ("ActivityScheduled", {"name": "Charge", "input": "{}"}),
    ("OrchestrationContinuedAsNew", {"input": "{}"}),
    ("OrchestrationCompleted", {"output": "1"}),
    ("KeyValueSet", {"key": "k", "value": "1", "last_updated_at_ms": 1}),
]


class Worker:
    """Does one thing after another by chance, with locks so short that they are lost in the middle."""

    def __init__(self, store: Store, seed: int, done: Counter[str]) -> None:
        self.kit = Kit(store)
        self.chance = random.Random(seed)
        self.done = done

    def act(self) -> None:
        deeds = (self.start, self.turn, self.turn, self.turn, self.turn, self.work, self.delete, self.bulk, self.prune)
        deed = self.chance.choice(deeds)
        with suppress(DeletionError, LockLostError, UnknownInstanceError):
            deed()
            self.done[deed.__name__] += 1

    @property
    def any_instance(self) -> str:
        return self.chance.choice(INSTANCES)

    def start(self) -> None:
        self.kit.start(self.any_instance)

    def turn(self) -> None:
        item = self.kit.store.fetch_orchestration_item(self.chance.choice([30, 200, 5_000]))
        if item is None:
            return
        if self.chance.random() < 0.2:
            self.kit.store.renew_orchestration_item_lock(item.lock_token, 1_000)
        if self.chance.random() < 0.2:
            self.kit.store.abandon_orchestration_item(item.lock_token, self.chance.choice([None, 5]))
            return
        self.ack(item)

    def ack(self, item: OrchestrationItem) -> None:
        last = item.history[-1] if item.history else None
        again = any(message.kind == "ContinueAsNew" for message in item.messages)
        ended = last is not None and last.type in ("OrchestrationCompleted", "OrchestrationContinuedAsNew")
        if ended and not again:
            self.kit.store.ack_orchestration_item(item.lock_token, item.execution_id)
            return
        execution_id = item.execution_id + again
        delta = [] if last and not again else [self.kit.started(item.instance_id, execution_id)]
        number = (last.event_id if last and not again else len(delta)) + 1
        asked = {event.event_id for event in item.history if event.type == "ActivityScheduled"}
        for message in item.messages:
            # An answer to an instance that was deleted may come to the next one of its id, which has not asked.
            is_of_it = message.kind == "ActivityCompleted" and message.fields["execution_id"] == execution_id
            if is_of_it and message.fields["id"] in asked:
                said = {"source_event_id": message.fields["id"], "result": "1"}
                delta.append(self.kit.event(item.instance_id, number, "ActivityCompleted", execution_id, **said))
                number += 1
        self.finish(item, execution_id, delta, number)

    def finish(self, item: OrchestrationItem, execution_id: int, delta: list[Event], number: int) -> None:
        instance_id = item.instance_id
        activities, messages = [], []
        type, payload = self.chance.choice(NEWS)
        if type == "ActivityScheduled":
            activities = [self.kit.activity(instance_id, number, execution_id)]
        elif type == "OrchestrationContinuedAsNew":
            messages = [
                WorkItem.new("ContinueAsNew", instance=instance_id, orchestration="Order", input="{}", version=None)
            ]
        self.kit.store.ack_orchestration_item(
            item.lock_token,
            execution_id,
            history_delta=[*delta, self.kit.event(instance_id, number, type, execution_id, **payload)],
            worker_items=activities,
            orchestrator_items=messages,
        )
        if type == "KeyValueSet":
            self.kit.poke(instance_id)

    def work(self) -> None:
        lease = self.kit.store.fetch_work_item(200)
        if lease is not None:
            done = {name: lease.item.fields[name] for name in ("instance", "execution_id", "id")}
            self.kit.store.ack_work_item(lease.lock_token, WorkItem.new("ActivityCompleted", **done, result="1"))

    def delete(self) -> None:
        self.kit.store.delete_instance(self.any_instance, force=self.chance.random() < 0.3)

    def bulk(self) -> None:
        self.kit.store.delete_instance_bulk(InstanceFilter(limit=2))

    def prune(self) -> None:
        self.kit.store.prune_executions(self.any_instance, keep_last=2)


def test_nothing_is_left_of_what_was_deleted_in_the_middle_of_its_work(made: EngineStore) -> None:
    done: Counter[str] = Counter()
    errors: list[BaseException] = []
    deadline = time.monotonic() + SECONDS

    def run(seed: int) -> None:
        store = Store.open(made.target, made.schema)
        worker = Worker(store, seed, done)
        try:
            while time.monotonic() < deadline:
                worker.act()
        except BaseException as error:
            errors.append(error)
        store.close()

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert min(done.values()) > 0
    store = Store.open(made.target, made.schema)
    store.delete_instances_atomic(store.list_instances(), force=True)
    for table in ("executions", "history", "worker_queue", "kv_store", "kv_delta"):
        assert made.execute(f"SELECT * FROM {table}") == [], table
    for table in ("orchestrator_queue", "instance_locks"):  # of starts that nobody has got to
        made.execute(f"DELETE FROM {table}")
    store.close()

"""Many at once: no turn is taken twice, none is lost, and a killed worker's turn is taken by another."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from conftest import EngineStore
from holystone.store import Event, Store
from turns.conftest import Column
from turns.kit import Kit

pytestmark = pytest.mark.long

INSTANCES = 40
TURNS = 3

KILLED = """
import sys
sys.path.insert(0, sys.argv[3])
from holystone.store import Store
from sqlalchemy import event
from turns.kit import Kit

store = Store.open(sys.argv[1], sys.argv[2] or None)
kit = Kit(store)
item = kit.fetch(lock_ms=2_000)

def hang(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO") and "history" in statement:
        print("in the middle", flush=True)
        import time
        time.sleep(60)

event.listen(store._writer, "after_cursor_execute", hang)
store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
"""


def test_each_turn_is_taken_once(made: EngineStore, kit: Kit, column: Column) -> None:
    for number in range(INSTANCES):
        kit.start(f"i{number:02}")
    taken: Counter[tuple[str, int]] = Counter()
    done = threading.Event()

    def work() -> None:
        own = Kit(Store.open(made.target, made.schema))
        while not done.is_set():
            item = own.store.fetch_orchestration_item(30_000)
            if item is None:
                time.sleep(0.005)
                continue
            turn = len(item.history) + 1
            taken[item.instance_id, turn] += 1
            if turn < TURNS:
                own.poke(item.instance_id)
            delta = [_event_of(own, item.instance_id, turn)]
            own.store.ack_orchestration_item(item.lock_token, 1, history_delta=delta)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while column("executions", "count(*)", status="Completed") != INSTANCES and time.monotonic() < deadline:
        time.sleep(0.05)
    done.set()
    for thread in threads:
        thread.join()
    assert taken == {(f"i{number:02}", turn): 1 for number in range(INSTANCES) for turn in range(1, TURNS + 1)}
    assert column("orchestrator_queue", "count(*)") == 0
    assert column("instance_locks", "count(*)") == 0


def _event_of(kit: Kit, instance_id: str, turn: int) -> Event:
    if turn == 1:
        return kit.started(instance_id)
    if turn == TURNS:
        return kit.event(instance_id, turn, "OrchestrationCompleted", output="1")
    return kit.event(instance_id, turn, "ExternalEvent", name="go", data="1")


def test_threads_of_one_store_share_what_a_look_finds(made: EngineStore) -> None:
    """Idle ones look one at a time, and each has the answer of a look that began after it came; no work is missed."""
    store = Store.open(made.target, made.schema)
    kit = Kit(store)
    found: list[str] = []
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            item = store.fetch_orchestration_item(30_000)
            if item is not None:
                store.ack_orchestration_item(
                    item.lock_token, 1, history_delta=[kit.started(item.instance_id), _end(kit, item.instance_id)]
                )
                found.append(item.instance_id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    names = [f"i{number}" for number in range(20)]
    for name in names:
        kit.start(name)
        deadline = time.monotonic() + 30
        while name not in found and time.monotonic() < deadline:
            time.sleep(0.001)
    done.set()
    for thread in threads:
        thread.join()
    store.close()
    assert found == names


def _end(kit: Kit, instance_id: str) -> Event:
    return kit.event(instance_id, 2, "OrchestrationCompleted", output="1")


def test_killed_in_the_middle_of_an_ack(made: EngineStore, kit: Kit, column: Column) -> None:
    kit.start("a")
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", KILLED, made.target, made.schema or "", tests]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert column("history", "count(*)") == 0
    assert column("instances", "count(*)") == 0

    deadline = time.monotonic() + 20
    while (item := kit.store.fetch_orchestration_item(30_000)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert item.attempt_count == 2
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a")])
    assert column("executions", "status", instance_id="a") == "Running"

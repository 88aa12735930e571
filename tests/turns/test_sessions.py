"""Sessions where several workers reach for one at the same moment, and beside the engine."""

from __future__ import annotations

import threading
import time
from typing import Any

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.store import Store, WorkItem
from holystone.store.turns.sessions import SessionFetchConfig
from turns.conftest import Column
from turns.kit import LOCK_MS, Kit

ACTIVITIES = 12


def worker(name: str) -> SessionFetchConfig:
    return SessionFetchConfig(name, LOCK_MS)


def test_a_session_is_never_two_workers(kit: Kit, made: EngineStore) -> None:
    """Four workers at once: each session's activities go to one of them, and each activity to one only."""
    sessions = {number: f"s{number % 3}" for number in range(2, 2 + ACTIVITIES)}
    for number, session_id in sessions.items():
        kit.store.enqueue_for_worker(kit.activity("a", number, session_id=session_id))
    taken: list[tuple[str, int]] = []
    ready = threading.Barrier(4)
    deadline = time.monotonic() + 20

    def work(name: str) -> None:
        store = Store.open(made.target, made.schema)
        ready.wait()
        while len(taken) < ACTIVITIES and time.monotonic() < deadline:
            if lease := store.fetch_work_item(LOCK_MS, session=worker(name)):
                taken.append((name, lease.item.fields["id"]))
        store.close()

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for _, number in taken) == list(sessions)
    owners = {sessions[number]: name for name, number in taken}
    assert all(owners[sessions[number]] == name for name, number in taken)
    assert dict(made.execute("SELECT session_id, worker_id FROM sessions")) == owners
    made.execute("DELETE FROM worker_queue")


def test_a_session_may_have_any_name(kit: Kit, column: Column) -> None:
    for session_id in ("", "it's \n 🧽"):
        kit.store.enqueue_for_worker(kit.activity("a", session_id=session_id))
        assert kit.store.fetch_work_item(LOCK_MS) is None
        lease = kit.store.fetch_work_item(LOCK_MS, session=worker("w"))
        assert lease is not None
        assert column("sessions", "worker_id", session_id=session_id) == "w"
        assert kit.store.fetch_work_item(LOCK_MS, session=worker("other")) is None
        kit.store.ack_work_item(lease.lock_token)


def test_session_that_the_engine_holds_is_its_own(engine_store: MakeStore, flavour: Flavour) -> None:
    """The engine runs an activity that holystone has scheduled with a session; its next one waits for the engine."""
    made = engine_store(ENGINES[-1], flavour, ())
    made.run("start", "a", "Session", "null")
    kit = Kit(Store.open(made.target, made.schema))
    session_id = "session of a"
    fields: dict[str, Any] = {"name": "Echo", "input": "1", "session_id": session_id}
    item = kit.fetch()
    kit.store.ack_orchestration_item(
        item.lock_token,
        1,
        history_delta=[
            kit.started("a", name="Session", input=item.messages[0].fields["input"]),
            kit.event("a", 2, "ActivityScheduled", **fields),
        ],
        worker_items=[WorkItem.new("ActivityExecute", instance="a", execution_id=1, id=2, **fields)],
    )
    made.run("run", "--seconds", "1.5")
    status = kit.store.get_status("a")
    assert (status.status, status.output) == ("Completed", "2")
    ((owner, activity),) = made.execute("SELECT worker_id, last_activity_at FROM sessions")
    assert activity > 0
    kit.store.enqueue_for_worker(kit.activity("a", 9, session_id=session_id))
    assert kit.store.fetch_work_item(LOCK_MS, session=worker("ours")) is None
    assert kit.store.renew_session_lock(["ours"], LOCK_MS, LOCK_MS) == 0
    assert kit.store.renew_session_lock(["ours", owner], LOCK_MS, LOCK_MS) == 1
    assert kit.store.fetch_work_item(LOCK_MS, session=worker(owner)) is not None

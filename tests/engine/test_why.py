"""What `why` names as what wakes an instance does wake it, and where it says that nothing will, nothing does."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.whys import LAST_ATTEMPT, Progress, diagnosed, now, progress, works, works_to_the_end, works_until
from holystone.diagnosis.model import Cause, Diagnosis

pytestmark = pytest.mark.long

ROUNDS = 12
ENDLESS = {"queue-carried-live"}
"""What begins anew after each letter."""


def bring_about(store: EngineStore, cause: Cause, instance: str) -> list[Any]:
    """Bring about what takes the instance on; return the acts of a client's that do it.

    What takes hours is brought about by moving its row to this moment; what would take ten attempts, by making this the
    last one.
    """
    if cause.by == "client":
        return [["event" if cause.kind == "event" else "letter", instance, cause.name]]
    if cause.kind == "turn":
        store.execute("UPDATE instance_locks SET locked_until = 1 WHERE instance_id = ?", instance)
        store.execute(
            "UPDATE orchestrator_queue SET locked_until = 1 WHERE instance_id = ? AND lock_token IS NOT NULL", instance
        )
    elif cause.table is not None and cause.due_ms is not None:
        store.execute(f"UPDATE {cause.table} SET visible_at = ? WHERE id = ?", now(store), cause.row_id)
        store.execute(
            f"UPDATE {cause.table} SET locked_until = 1 WHERE id = ? AND lock_token IS NOT NULL", cause.row_id
        )
        if "given back" in cause.sentence:
            store.execute(f"UPDATE {cause.table} SET attempt_count = {LAST_ATTEMPT} WHERE id = ?", cause.row_id)
        if cause.table == "worker_queue":
            store.execute("UPDATE sessions SET locked_until = 1")
    return []


def follow(store: EngineStore) -> dict[str, Diagnosis]:
    """Do of every instance what `why` says wakes it, again and again, until nothing is left to do."""
    wakes: dict[str, Cause] = {}
    for _ in range(ROUNDS):
        before, said = progress(store), diagnosed(store)
        acts: list[Any] = []
        wakes = {}
        for instance, one in said.items():
            chosen = next((cause for cause in one.causes if cause.kind != "child" and cause.wakes is not False), None)
            if chosen is not None and one.state not in ("ended", "stuck", "orphaned", "unreadable"):
                wakes[instance] = chosen
                acts += bring_about(store, chosen, instance)
        if not wakes.keys() - ENDLESS:
            return said
        works_until(store, acts, partial(_all_go_on, store, before, wakes))
        after = progress(store)
        for instance, cause in wakes.items():
            assert after.get(instance) != before.get(instance), (instance, cause, said[instance].sentence)
        for instance, one in said.items():
            if one.state in ("stuck", "ended", "orphaned"):
                assert after.get(instance) == before.get(instance), (instance, one.sentence)
    raise AssertionError(f"it never comes to an end: {wakes}")


def _all_go_on(store: EngineStore, before: Progress, wakes: Collection[str]) -> bool:
    after = progress(store)
    return all(after.get(instance) != before.get(instance) for instance in wakes)


def agrees(store: EngineStore, said: Mapping[str, Diagnosis]) -> None:
    """Hold the states to what the engine left."""
    states = {
        "Running": {"waiting", "due", "turn"},
        "ContinuedAsNew": {"due", "turn", "waiting"},
        "Completed": {"ended"},
        "Failed": {"ended"},
        "not-started": {"not-started", "turn"},
    }
    wrong = {
        instance: (expected["status"], said[instance].state, said[instance].sentence)
        for instance, expected in store.expected.items()
        if instance in said and said[instance].state not in states[expected["status"]]
    }
    assert wrong == {}


def test_following_it_brings_every_instance_to_its_end(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store = engine_store(engine_version, flavour)
    agrees(store, diagnosed(store))
    left = follow(store)
    assert {instance for instance, one in left.items() if one.state != "ended"} <= ENDLESS


# --- what no engine leaves, and what it leaves of its own faults


def never(store: EngineStore) -> str:
    """What visible_at can hold that never comes."""
    return "'2026-01-01 00:00:00'" if store.flavour == "sqlite" else "'infinity'"


def lose(store: EngineStore) -> dict[str, str]:
    """Take away what wakes some instances; return a part of what is to be said of each."""
    said = {
        "activity-in-flight": "Its activity Hang is in no queue",
        "timer-pending": "The message that its timer would fire with is gone",
        "parent-waiting": "is not there, and nothing starts it",
        "between-stopped": "The message that begins the next execution is gone",
        "tagged": "has a lock or a time that never ends",
        "waiting": "has asked for nothing",
        "chain-waiting": "has a time that never comes",
        "parent-never-told": "broke a limit",
    }
    store.execute("DELETE FROM worker_queue WHERE instance_id = 'activity-in-flight'")
    store.execute("DELETE FROM orchestrator_queue WHERE instance_id IN ('timer-pending', 'between-stopped')")
    for table in ("history", "executions", "instances"):
        store.execute(f"DELETE FROM {table} WHERE instance_id = 'parent-waiting::sub::2'")
    store.execute(f"UPDATE worker_queue SET visible_at = {never(store)} WHERE instance_id = 'tagged'")
    store.execute("DELETE FROM history WHERE instance_id = 'waiting' AND event_data LIKE '%ExternalSubscribed%'")
    store.execute("DELETE FROM history WHERE instance_id = 'chain-waiting' AND event_data LIKE '%ExternalSubscribed%'")
    cancel = json.dumps({"CancelInstance": {"instance": "chain-waiting", "reason": "in vain"}})
    store.execute(
        "INSERT INTO orchestrator_queue (instance_id, work_item, visible_at, created_at)"
        f" VALUES ('chain-waiting', ?, {never(store)}, CURRENT_TIMESTAMP)",
        cancel,
    )
    return said


LEFT = (
    "activity-in-flight",
    "between-stopped",
    "chains",
    "parent-never-told",
    "parent-waiting",
    "routed",
    "timers",
    "waiting",
)


def test_what_is_said_to_be_stuck_stays_so_until_it_is_cancelled(
    engine_store: MakeStore, engine_version: str, flavour: Flavour
) -> None:
    store = engine_store(engine_version, flavour, LEFT)
    said = lose(store)
    found = diagnosed(store)
    assert {one: found[one].state for one in said} == dict.fromkeys(said, "stuck")
    for instance, part in said.items():
        assert part in found[instance].sentence, found[instance].sentence
        assert "no message at all will ever wake it" in found[instance].sentence.lower()
        assert not any(cause.wakes for cause in found[instance].causes)
    # Not later, either: whatever has a lease has none any more.
    for table in ("instance_locks", "worker_queue", "sessions"):
        store.execute(f"UPDATE {table} SET locked_until = 1 WHERE locked_until IS NOT NULL")
    before = progress(store)
    works(store, [])
    after = progress(store)
    assert {one: after[one] for one in said} == {one: before[one] for one in said}
    works_to_the_end(store, said.keys() - {"between-stopped"}, [["cancel", instance] for instance in said])
    ended = {one: diagnosed(store)[one].state for one in said}
    # Without the message that begins it no engine takes a turn of a next execution.
    assert ended.pop("between-stopped") in ("unknown", "stuck")
    assert ended == dict.fromkeys(said.keys() - {"between-stopped"}, "ended")
    last = f"UPDATE orchestrator_queue SET attempt_count = {LAST_ATTEMPT}, visible_at = ? WHERE instance_id = ?"
    store.execute(last, now(store), "between-stopped")
    works_to_the_end(store, () if engine_version == "0.1.28" else ["between-stopped"])
    assert diagnosed(store)["between-stopped"].state == ("stuck" if engine_version == "0.1.28" else "ended")


# --- what keeps an instance from being taken up at all


def test_a_pin_keeps_every_dispatcher_off(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(ENGINES[-1], flavour, ["waiting", "timers"])
    pins: dict[str, tuple[tuple[int | None, ...], str]] = {
        "waiting": ((9, 1, 32), "9.1.32"),
        "waiting-after-work": ((-1, 1, 32), "-1.1.32"),
        "timer-pending": ((0, None, 32), "0.NULL.32"),
        # Whatever the others are, this one is not pinned.
        "timer-free": ((None, 99, 32), ""),
    }
    store.run("run-until", "--start", '[["timer-free", "Timer", 1000000]]', "--events", '[["timer-free", 1, 2]]')
    columns = ", ".join(f"duroxide_version_{part} = ?" for part in ("major", "minor", "patch"))
    for instance, (pin, _) in pins.items():
        store.execute(f"UPDATE executions SET {columns} WHERE instance_id = ?", *pin, instance)
    pinned = pins.keys() - {"timer-free"}
    store.execute("UPDATE orchestrator_queue SET visible_at = ?", now(store))
    found = diagnosed(store)
    assert found["timer-free"].state == "due"
    for instance in pinned:
        assert found[instance].state == "blocked"
        assert f"is pinned to version {pins[instance][1]}" in found[instance].sentence
        assert not any(cause.wakes for cause in found[instance].causes)
    before = progress(store)
    works(store, [["event", "waiting", "go"], ["event", "waiting-after-work", "go"]])
    after = progress(store)
    assert {one for one in after if after[one] != before[one]} <= {"timer-free"}
    works_to_the_end(store, ["timer-free"])
    for instance in pinned:
        store.execute(f"UPDATE executions SET {columns} WHERE instance_id = ?", 0, 1, 32, instance)
    assert {diagnosed(store)[instance].state for instance in pinned} == {"due"}
    works_to_the_end(store, pinned)
    assert {diagnosed(store)[instance].state for instance in pinned} == {"ended"}


def test_a_halted_store_is_said_to_be(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    """Nothing that would wake an instance does, until the row is gone that every fetch fails at."""
    store = engine_store(engine_version, flavour, ["halted"])
    found = diagnosed(store)["halted-victim"]
    assert found.state == "blocked"
    assert "No dispatcher of this store goes on" in found.sentence
    assert "halted-cause" in found.sentence
    before = progress(store)
    works(store, [["event", "halted-victim", "go"]])
    assert progress(store) == before
    store.execute("DELETE FROM orchestrator_queue WHERE instance_id = 'halted-cause'")
    assert diagnosed(store)["halted-victim"].state == "not-started"
    works_to_the_end(store, ["halted-victim"])
    assert diagnosed(store)["halted-victim"].state == "ended"


def test_workers_may_be_halted_too(engine_store: MakeStore, flavour: Flavour) -> None:
    """On SQLite, by a row that no worker can read; on PostgreSQL they pass over it."""
    store = engine_store(ENGINES[-1], flavour, ["not-started"])
    moment = "1" if flavour == "sqlite" else "CURRENT_TIMESTAMP"
    names = "work_item, visible_at, instance_id, execution_id, activity_id, created_at"
    store.execute(f"INSERT INTO worker_queue ({names}) VALUES ('no JSON', {moment}, 'nobody', 1, 2, CURRENT_TIMESTAMP)")
    works_until(store, [], lambda: diagnosed(store)["not-started"].state in ("blocked", "ended"))
    found = diagnosed(store)["not-started"]
    if flavour == "postgresql":
        assert found.state == "ended"
        return
    assert found.state == "blocked"
    assert "No worker of this store goes on" in found.sentence
    before = progress(store)
    works(store, [])
    assert progress(store) == before
    store.execute("DELETE FROM worker_queue WHERE work_item = 'no JSON'")
    assert diagnosed(store)["not-started"].state == "waiting"
    works_to_the_end(store, ["not-started"])
    assert diagnosed(store)["not-started"].state == "ended"

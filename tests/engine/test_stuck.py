"""Instances that nothing wakes any more: found exactly, in stores of the real engine with parts taken out."""

from __future__ import annotations

import pytest

from conftest import EngineStore, Flavour, MakeStore
from engine.test_untouched import findings

pytestmark = pytest.mark.long

LIVE = (
    "activity-in-flight",
    "parent-waiting",
    "queues",
    "races",
    "routed",
    "timers",
    "unregistered",
    "work-outstanding",
)


def damage(store: EngineStore) -> None:
    """Lose all activities, all timers and one child; what waits for events from outside as well can still go on."""
    store.execute("DELETE FROM worker_queue")
    store.execute("DELETE FROM orchestrator_queue WHERE work_item LIKE '%TimerFired%'")
    for table in ("history", "executions", "instances"):
        store.execute(f"DELETE FROM {table} WHERE instance_id = 'parent-waiting::sub::2'")


STUCK = {
    "activity-in-flight",
    "activity-in-flight-on-session",
    "parent-waiting",
    "tagged",
    "timer-pending",
    "unregistered-activity",
}


def test_exactly_the_stuck_ones_are_found(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, LIVE)
    assert findings(store) == []
    damage(store)
    # It waits for an event as well, and so is not stuck, but what else it asked for never comes.
    lost = ("I009", "outstanding-live", 1)
    found = [*(("I007", name, 1) for name in sorted(STUCK)), lost]
    assert sorted(findings(store)) == found
    before = events(store)
    store.run("run", "--seconds", "1")
    assert {name: events(store)[name] for name in STUCK} == {name: before[name] for name in STUCK}
    assert sorted(findings(store)) == found
    # The way out that the runbook names.
    store.run("cancel", "timer-pending", "stuck")
    store.run("run-until", "--events", f'[["timer-pending", 1, {before["timer-pending"] + 2}]]')
    assert sorted(findings(store)) == [finding for finding in found if finding[1] != "timer-pending"]


def events(store: EngineStore) -> dict[str, int]:
    """Return how many events each instance has."""
    rows = store.execute("SELECT instance_id, count(*) FROM history GROUP BY instance_id")
    return {str(name): int(number) for name, number in rows}

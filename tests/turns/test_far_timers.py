"""Timers may fire as late as the database has a moment for, after the last year that Python knows as well."""

from __future__ import annotations

import pytest

from conftest import EngineStore
from holystone.errors import InvalidTurnError
from holystone.store import WorkItem
from turns.kit import Kit

FAR_MS = {"year 10000": 253_402_300_800_000, "year 12345": 327_403_382_400_123, "year 294276": 9_224_318_015_999_999}


@pytest.mark.parametrize("year", FAR_MS)
def test_a_timer_waits_for_its_time(kit: Kit, made: EngineStore, year: str) -> None:
    set_timer(kit, FAR_MS[year])
    assert not kit.has_turn
    due = {"sqlite": "1", "postgresql": "created_at"}[made.flavour]
    made.execute(f"UPDATE orchestrator_queue SET visible_at = {due}")
    item = kit.fetch()
    fired = kit.event("a", 3, "TimerFired", source_event_id=2, fire_at_ms=FAR_MS[year])
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[fired])


def test_what_the_database_has_no_moment_for_is_refused(kit: Kit) -> None:
    latest_ms = kit.store.flavour.times.latest_ms
    with pytest.raises(InvalidTurnError, match="due after the last moment of the database"):
        kit.send("TimerFired", instance="a", execution_id=1, id=2, fire_at_ms=latest_ms + 1)
    with pytest.raises(InvalidTurnError, match="due after the last moment of the database"):
        kit.poke("a", delay_ms=latest_ms)


def set_timer(kit: Kit, fire_at_ms: int) -> None:
    """Start an instance that waits for a timer."""
    fires = WorkItem.new("TimerFired", instance="a", execution_id=1, id=2, fire_at_ms=fire_at_ms)
    kit.begin("a", kit.event("a", 2, "TimerCreated", fire_at_ms=fire_at_ms), messages=[fires])

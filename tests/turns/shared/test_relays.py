"""Orchestrations that pass from the engine to holystone and back, in the middle of whatever they wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore, Originals, copy_sqlite
from engine.test_untouched import findings
from holystone import clock
from holystone.store import Store
from holystone.store.turns.tags import TagFilter
from turns.conftest import Clock
from turns.kit import Kit
from turns.shared.outcome import Outcome, outcome
from turns.shared.relays import ENGINE, HOLYSTONE, HOUR_MS, Relay, relays
from turns.shared.runtime import Runtime

pytestmark = pytest.mark.long

LAPS = (HOLYSTONE, ENGINE, HOLYSTONE, HOLYSTONE, ENGINE)
"""Who runs, one after the other; each takes the next lap of the relays whose turn it is."""

Station = list[tuple[str, int, int]]
"""Where a relay has come to: of each of its instances the current execution, and how many events that has."""


@contextmanager
def standing_still() -> Iterator[Clock]:
    """Stop holystone's clock, so that nothing becomes due that was not due at the beginning."""
    with mock.patch.object(clock, "time", Clock()) as stopped:
        yield stopped


def take_laps(runtime: Runtime, laps: Sequence[tuple[Relay, int]]) -> None:
    """Run the relays, each with the number of its lap, until each waits for what another lap begins with."""
    for relay, lap in laps:
        if lap == 0:
            Kit(runtime.store).start(relay.instance_id, "Relay", input=json.dumps(relay.value))
    with standing_still() as stopped:
        runtime.run_activities(TagFilter.tags("gpu"))
        stopped.pass_ms(HOUR_MS)
        due = list(runtime.fetched())
        stopped.pass_ms(-HOUR_MS)
        for item in due:
            runtime.take(item)
        runtime.take_turns()


def wake(runtime: Runtime, laps: Sequence[tuple[Relay, int]]) -> None:
    """Send the relays what their laps begin with."""
    for relay, lap in laps:
        for message in relay.wakes[lap - 1] if lap else ():
            runtime.store.enqueue_for_orchestrator(message)


@dataclass
class Alone:
    """The relays as holystone runs them alone: where each had come to after each lap, and what was left in the end."""

    stations: dict[tuple[str, int], Station] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=dict)


@pytest.fixture(scope="session")
def alone(originals: Originals, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    file = tmp_path_factory.mktemp("alone") / "store.db"
    copy_sqlite(Path(originals(ENGINES[-1], "sqlite", ()).target), file)
    store = Store.open(str(file))
    runtime, alone = Runtime(store), Alone()
    for lap in range(3):
        laps = [(relay, lap) for relay in relays()]
        wake(runtime, laps)
        runtime.run_activities(TagFilter.default_only())
        take_laps(runtime, laps)
        for relay, _ in laps:
            rows = store.list_executions(instances=f"{relay.instance_id}*")
            newest = {row.instance_id: row.execution_id for row in rows}
            station = [(one, number, len(store.read_history(one, number))) for one, number in newest.items()]
            alone.stations[relay.instance_id, lap] = station
    alone.outcome = outcome(EngineStore(str(file), None, ENGINES[-1], "sqlite", {}))
    return alone


def test_turns_are_passed_on(engine_store: MakeStore, engine_version: str, flavour: Flavour, alone: Alone) -> None:
    made = engine_store(engine_version, flavour, ())
    runtime = Runtime(Store.open(made.target, made.schema))
    ran = {relay.instance_id: 0 for relay in relays()}
    for party in LAPS:
        laps = [(relay, ran[relay.instance_id]) for relay in relays() if ran[relay.instance_id] < 3]
        laps = [(relay, lap) for relay, lap in laps if relay.takers[lap] == party]
        wake(runtime, laps)
        if party == HOLYSTONE:
            take_laps(runtime, laps)
        else:
            start = [[relay.instance_id, "Relay", relay.value] for relay, lap in laps if lap == 0]
            stations = [place for relay, lap in laps for place in alone.stations[relay.instance_id, lap]]
            made.run("run-until", "--start", json.dumps(start), "--events", json.dumps(stations))
        assert findings(made) == []
        for relay, lap in laps:
            ran[relay.instance_id] += 1
            for place, execution_id, number in alone.stations[relay.instance_id, lap]:
                events = runtime.store.read_history(place, execution_id)
                assert len(events) == number, f"{place!r} after lap {lap + 1}, by {party}"
    assert set(ran.values()) == {3}
    left = outcome(made)
    assert left.keys() == alone.outcome.keys()
    for instance_id, rows in left.items():
        assert rows == alone.outcome[instance_id], instance_id
    assert_statuses_agree(made, runtime.store)


def assert_statuses_agree(made: EngineStore, store: Store) -> None:
    """The engine's status API and ours say the same of each instance."""
    theirs = made.admin("statuses")
    assert len(theirs) == len(made.execute("SELECT 1 FROM instances"))
    for instance_id, said in theirs.items():
        status = store.get_status(instance_id)
        output = None if status.output is None else json.loads(status.output)
        ours = (status.status, output, status.custom_status, status.custom_status_version)
        assert ours == (said["status"], said["output"], said["custom_status"], said["custom_status_version"])

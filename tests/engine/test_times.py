"""What a time, a lock or a count that no engine wrote does to the real engine, and that it runs on once repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from engine.test_untouched import findings
from holystone.cli.main import run
from holystone.mend.runs import read_runs
from holystone.store import Store

pytestmark = pytest.mark.long

LATEST = ENGINES[-1]
SCENARIOS = ["waiting", "timers", "activity-in-flight", "turn-in-flight"]
TURN = "turn-in-flight-later"
ACTIVITY = "activity-in-flight"
IN_SESSION = "activity-in-flight-on-session"
TIMER = "timer-pending"
FAR_MS = 4_102_444_800_000
"""2100-01-01."""
GOES_ON = {"waiting": "Completed", ACTIVITY: "Completed", IN_SESSION: "Completed", TURN: "Completed", TIMER: "Running"}
"""What becomes of the instances where nothing is wrong: the event has come, and whoever held the others is gone."""


@dataclass(frozen=True)
class Harm:
    """A damage: columns of a row to set, what finds it, and what becomes of the store by it.

    `whose` is the row's instance. `is_repaired` is whether all goes on after a safe repair; after one that was asked
    for by name it does in any case.
    """

    table: str
    whose: str
    columns: Mapping[str, str]
    check: str
    becomes: Mapping[str, str]
    is_repaired: bool = True


def sleeps(*instances: str) -> Mapping[str, str]:
    return {**GOES_ON, **dict.fromkeys(instances, "Running")}


HALTED = sleeps("waiting", ACTIVITY, IN_SESSION)
"""No turn is taken any more but what was due before the message, so that nobody hears of an activity."""
FAR = {"sqlite": str(FAR_MS), "postgresql": "'2100-01-01'"}
MESSAGE = ("orchestrator_queue", "waiting")


def harms() -> dict[tuple[str, str], Harm]:
    both: dict[str, dict[str, Harm]] = {}
    for flavour in ("sqlite", "postgresql"):
        far = {"visible_at": FAR[flavour]}
        both[flavour] = {
            "message far": Harm(*MESSAGE, far, "Q010", sleeps("waiting")),
            "message far, tried": Harm(*MESSAGE, {**far, "attempt_count": "1"}, "Q010", sleeps("waiting")),
            "activity far": Harm("worker_queue", ACTIVITY, far, "Q010", sleeps(ACTIVITY)),
            "timer now": Harm(
                "orchestrator_queue",
                TIMER,
                {"visible_at": {"sqlite": "0", "postgresql": "'-infinity'"}[flavour]},
                "Q010",
                {**GOES_ON, TIMER: "Completed"},
            ),
            "turn far": Harm("instance_locks", TURN, {"locked_until": str(FAR_MS)}, "Q011", sleeps(TURN)),
            "activity locked far": Harm(
                "worker_queue", ACTIVITY, {"locked_until": str(FAR_MS)}, "Q011", sleeps(ACTIVITY), is_repaired=False
            ),
            "activity locked without end": Harm(
                "worker_queue", ACTIVITY, {"locked_until": "NULL"}, "Q011", sleeps(ACTIVITY)
            ),
            "session far": Harm(
                "sessions",
                IN_SESSION,
                {"locked_until": str(FAR_MS), "worker_id": "'gone'"},
                "Q011",
                sleeps(IN_SESSION),
                is_repaired=False,
            ),
        }
    both["sqlite"] |= {
        "turn text": Harm("instance_locks", TURN, {"locked_until": "'never'"}, "Q011", sleeps(TURN)),
        "activity locked blob": Harm(
            "worker_queue", ACTIVITY, {"locked_until": "x'00'"}, "Q011", sleeps(ACTIVITY), is_repaired=False
        ),
        "timer text": Harm("orchestrator_queue", TIMER, {"visible_at": "'9999-12-31 23:59:59'"}, "Q009", GOES_ON),
        "attempts text": Harm("worker_queue", ACTIVITY, {"attempt_count": "'x'"}, "Q012", sleeps(ACTIVITY, IN_SESSION)),
    }
    both["postgresql"] |= {
        "message locked far": Harm(
            *MESSAGE, {"lock_token": "'t'", "locked_until": str(FAR_MS)}, "Q011", sleeps("waiting")
        ),
        "message locked without end": Harm(*MESSAGE, {"lock_token": "'t'"}, "Q011", sleeps("waiting")),
        "message locked by nobody": Harm(
            *MESSAGE,
            {"lock_token": "'t'", "locked_until": "(extract(epoch FROM now()) * 1000)::bigint + 600000"},
            "Q011",
            sleeps("waiting"),
        ),
        "attempts negative": Harm(*MESSAGE, {"attempt_count": "-5"}, "Q012", {**GOES_ON, "waiting": "Failed"}),
        "attempts at the end": Harm(*MESSAGE, {"attempt_count": "2147483647"}, "Q012", HALTED),
    }
    return {(flavour, name): harm for flavour, some in both.items() for name, harm in some.items()}


HARMS = harms()


@pytest.fixture
def store(engine_store: MakeStore, request: pytest.FixtureRequest) -> EngineStore:
    """Held by a process that is gone, but for the locks, which have lapsed; an event waits for `waiting`."""
    store = engine_store(LATEST, request.param, SCENARIOS)
    for table in ("instance_locks", "orchestrator_queue", "worker_queue", "sessions"):
        store.execute(f"UPDATE {table} SET locked_until = 1 WHERE locked_until IS NOT NULL")
    store.run("raise-event", "waiting", "go", "1")
    return store


def damage(store: EngineStore, harm: Harm) -> None:
    changes = ", ".join(f"{column} = {value}" for column, value in harm.columns.items())
    where = "session_id LIKE '%'" if harm.table == "sessions" else f"instance_id = '{harm.whose}'"
    store.execute(f"UPDATE {harm.table} SET {changes} WHERE {where}")


def becomes(store: EngineStore) -> dict[str, str]:
    """Return what has become of the instances once the engine has run."""
    store.run("run", "--seconds", "2")
    statuses = store.admin("statuses")
    return {name: statuses[name]["status"] for name in GOES_ON}


def apply(store: EngineStore, *words: str) -> int:
    return run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", *words])


@pytest.mark.parametrize(("store", "name"), HARMS, indirect=["store"])
def test_engine_is_harmed(store: EngineStore, name: str) -> None:
    harm = HARMS[store.flavour, name]
    assert findings(store, race_window=0) == []
    damage(store, harm)
    assert {check for check, _, _ in findings(store, race_window=0)} == {harm.check}
    assert becomes(store) == harm.becomes


@pytest.mark.parametrize(("store", "name"), HARMS, indirect=["store"])
def test_repaired_store_goes_on(store: EngineStore, name: str) -> None:
    harm = HARMS[store.flavour, name]
    damage(store, harm)
    damaged = contents(store)
    # Nothing is left for being busy: whoever holds such a lock is nobody.
    assert apply(store) == (0 if harm.is_repaired else 1)
    if not harm.is_repaired:
        assert contents(store) == damaged
        assert apply(store, "--unsafe", "release-lock") == 0
    repaired = contents(store)
    latest = read_runs(Store.open(store.target, store.schema, read_only=True))[0].run_id
    assert run(["repair", "undo", *store.arguments[:1], latest, *store.arguments[1:], "--yes"]) == 0
    assert contents(store) == damaged
    assert apply(store, "--unsafe", "release-lock") == 0
    assert contents(store) == repaired
    assert findings(store, race_window=0) == []
    assert becomes(store) == GOES_ON


def test_timer_comes_when_it_says(engine_store: MakeStore, flavour: Flavour) -> None:
    """What a timer asks for is what its message says, whatever stands in the column."""
    store = engine_store(LATEST, flavour, ["timers"])
    wrote = contents(store)
    values = {"sqlite": ["x'01'", "'soon'", "9e999", "'9999-12-31 23:59:59'", "NULL"], "postgresql": ["'infinity'"]}
    for value in values[flavour]:
        store.execute(f"UPDATE orchestrator_queue SET visible_at = {value} WHERE instance_id = '{TIMER}'")
        assert {check for check, _, _ in findings(store, race_window=0)} == {"Q009"}
        assert apply(store) == 0
        assert contents(store) == wrote

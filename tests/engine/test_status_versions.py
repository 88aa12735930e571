"""What clients see of a custom status beside an altered version, and that a repair has them see it and the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import ENGINES, FLAVOURS, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.cli.main import run

LATEST = ENGINES[-1]
STEPS = [["status", "one"], ["event", "go"], ["status", "two"], ["event", "on"]]
HIDDEN = {"zero": 0, "negative": -5}
LAST = {"sqlite": 2**63 - 1, "postgresql": 2**31 - 1}
ODD: dict[str, dict[str, Any]] = {"sqlite": {"text": "many", "real": 1.5, "blob": b"\x01"}, "postgresql": {}}


def play(store: EngineStore, *acts: list[Any]) -> None:
    store.run("play", json.dumps([*acts, ["wait", 1500]]))


def seen(store: EngineStore) -> dict[str, tuple[str, int]]:
    """Return what the engine's own client tells of each instance: its custom status and the version."""
    said = store.admin("statuses")
    return {name: (one["custom_status"], one["custom_status_version"]) for name, one in said.items()}


def altered(store: EngineStore, versions: dict[str, Any]) -> EngineStore:
    """Have an instance set its status and wait, for each version that it gets then."""
    play(store, *(["start", name, STEPS] for name in versions))
    assert seen(store) == dict.fromkeys(versions, ("one", 1))
    assert findings(store, race_window=0) == []
    for name, version in versions.items():
        store.execute("UPDATE instances SET custom_status_version = ? WHERE instance_id = ?", version, name)
    return store


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_status_is_seen_again_and_the_next_one_too(engine_store: MakeStore, flavour: Flavour) -> None:
    versions = {**HIDDEN, "last": LAST[flavour], **ODD[flavour]}
    store = altered(engine_store(LATEST, flavour, ()), versions)
    assert {name for name, (status, _) in seen(store).items() if status is None} == HIDDEN.keys()
    assert {(check, name) for check, name, _ in findings(store, race_window=0)} == {("I012", one) for one in versions}
    assert run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0"]) == 0
    assert findings(store, race_window=0) == []
    assert seen(store) == dict.fromkeys(versions, ("one", 1))
    play(store, *(["event", name, "go"] for name in versions))
    assert seen(store) == dict.fromkeys(versions, ("two", 2))
    assert findings(store, race_window=0) == []


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_without_the_repair_the_next_one_is_lost(engine_store: MakeStore, flavour: Flavour) -> None:
    """A client that has seen version 1 waits for a greater one; PostgreSQL cannot write one beyond the last."""
    store = altered(engine_store(LATEST, flavour, ()), {"zero": 0, "last": LAST[flavour], **ODD[flavour]})
    play(store, *(["event", name, "go"] for name in seen(store)))
    now = seen(store)
    assert now["zero"] == ("two", 1)
    if flavour == "postgresql":
        assert now["last"] == ("one", LAST[flavour])
    else:
        assert {name: now[name] for name in ("last", "real")} == dict.fromkeys(("last", "real"), ("two", 0))
        assert now["text"] == ("two", 1)

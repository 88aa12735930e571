"""What the engine makes of an execution that is pinned to another version of it, and that it runs on once repaired."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.cli.main import run

pytestmark = pytest.mark.long

PINS: dict[str, tuple[tuple[int | None, int | None, int | None], bool]] = {
    "true": ((0, 0, 0), True),
    "nothing": ((None, None, None), True),
    "too-low": ((0, -1, -1), True),
    "negative": ((-1, 0, 0), False),
    "negative-patch": ((0, -1, 0), False),
    "next-patch": ((0, 0, 1), False),
    "next-major": ((1, 0, 0), False),
    "no-minor": ((0, None, 0), False),
    "no-patch": ((0, 0, None), False),
    "no-major": ((None, 0, 0), True),
}
"""Instance -> what is added to each part of its version, None for NULL; and whether the engine still fetches it."""
QUIET = {"true", "nothing"}
"""Those that engines write: NULL, all three, for executions from before there were these columns."""


def pinned(name: str, true: tuple[int, int, int]) -> list[int | None]:
    added = PINS[name][0]
    if name == "negative-patch":
        return [0, 0, -1]
    if name == "negative":
        return [-1, true[1], true[2]]
    if name == "too-low":
        return [0, 0, 1]
    return [None if more is None else part + more for part, more in zip(true, added, strict=True)]


def statuses(store: EngineStore) -> dict[str, str]:
    return {name: one["status"] for name, one in store.admin("statuses").items()}


def test_engine_fetches_by_them(engine_store: MakeStore, engine_version: str, flavour: Flavour) -> None:
    store = engine_store(engine_version, flavour, ())
    starts: list[Any] = [["start", name, [["event", "go"]]] for name in PINS]
    store.run("play", json.dumps([*starts, ["wait", 1500]]))
    assert findings(store, race_window=0) == []
    columns = [f"duroxide_version_{part}" for part in ("major", "minor", "patch")]
    ((_, *written),) = store.execute(f"SELECT DISTINCT 1, {', '.join(columns)} FROM executions")
    said = json.loads(store.execute("SELECT event_data FROM history LIMIT 1")[0][0])["duroxide_version"]
    assert ".".join(map(str, written)) == said
    for name in PINS:
        values = pinned(name, (written[0], written[1], written[2]))
        settings = ", ".join(f"{column} = ?" for column in columns)
        # Bound as text and cast, for no driver knows the type of a NULL by itself.
        settings = settings.replace("?", "CAST(? AS INTEGER)")
        store.execute(f"UPDATE executions SET {settings} WHERE instance_id = ?", *values, name)
    assert {(check, name) for check, name, _ in findings(store, race_window=0)} == {
        ("E009", name) for name in PINS if name not in QUIET
    }
    events: list[Any] = [["event", name, "go"] for name in PINS]
    store.run("play", json.dumps([*events, ["wait", 2500]]))
    after = statuses(store)
    assert {name: after[name] for name in PINS} == {
        name: "Completed" if fetched else "Running" for name, (_, fetched) in PINS.items()
    }
    assert run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", "--level", "deep"]) == 0
    assert findings(store, race_window=0) == []
    store.run("play", json.dumps([["wait", 2500]]))
    assert set(statuses(store).values()) == {"Completed"}


TOO_LARGE = {(2147, 483, 647): False, (2147, 484, 0): True, (2148, 0, 0): True, (0, 2_147_484, 0): True}
"""Versions, and whether what the engine makes of one is no integer of PostgreSQL: 2^31 or more."""


@pytest.mark.parametrize("version", TOO_LARGE, ids=lambda version: ".".join(map(str, version)))
def test_version_that_is_too_large_for_an_integer(
    engine_store: MakeStore, flavour: Flavour, version: tuple[int, int, int]
) -> None:
    """On PostgreSQL no fetch gets past a message for such an instance: those for the others wait with it."""
    store = engine_store(ENGINES[-1], flavour, ())
    starts: list[Any] = [["start", name, [["event", "go"]]] for name in ("pinned", "other")]
    store.run("play", json.dumps([*starts, ["wait", 1500]]))
    settings = ", ".join(f"duroxide_version_{part} = ?" for part in ("major", "minor", "patch"))
    store.execute(f"UPDATE executions SET {settings} WHERE instance_id = ?", *version, "pinned")
    (found,) = findings(store, race_window=0)
    assert found[:2] == ("E009", "pinned")
    store.run("play", json.dumps([["event", "pinned", "go"], ["event", "other", "go"], ["wait", 2500]]))
    halts = flavour == "postgresql" and TOO_LARGE[version]
    assert statuses(store) == {"pinned": "Running", "other": "Running" if halts else "Completed"}
    assert run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0"]) == 0
    store.run("play", json.dumps([["wait", 2500]]))
    assert set(statuses(store).values()) == {"Completed"}

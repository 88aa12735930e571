"""What the engine makes of a parent and a child of which one event was altered: a check finds it before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import ENGINES, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore
from contents import contents
from engine.test_untouched import findings
from holystone.cli.main import run

LATEST = ENGINES[-1]
OF_CHILD = [["activity", 1], ["event", "go"]]
OTHERWISE = json.dumps([["activity", 2], ["event", "go"]])
ALTERED: dict[str, tuple[str, str, str]] = {
    "asked-input": ("{}", "input", OTHERWISE),
    "asked-name": ("{}", "name", "Work"),
    "asked-id": ("{}", "instance", "sub::9"),
    "begun-input": ("{}::sub::2", "input", OTHERWISE),
    "begun-name": ("{}::sub::2", "name", "Work"),
}
"""Parent -> whose event is altered, which field of it, and what it is then."""
FAIL = {
    "asked-input",
    "asked-name",
    *(f"{one}{of}" for one in ("begun-input", "begun-name") for of in ("", "::sub::2")),
}
"""Instances that the engine fails for it: those whose events are not what their code does, and a child's parent."""


def alter(store: EngineStore, parent: str) -> None:
    whose, field, value = ALTERED[parent]
    key = (whose.format(parent), 1 if "sub" in whose else 2)
    ((text,),) = store.execute("SELECT event_data FROM history WHERE instance_id = ? AND event_id = ?", *key)
    event = {**json.loads(str(text)), field: value}
    written = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    store.execute("UPDATE history SET event_data = ? WHERE instance_id = ? AND event_id = ?", written, *key)


def play(store: EngineStore, acts: list[list[Any]]) -> None:
    store.run("play", json.dumps([*acts, ["wait", 2500]]))


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_each_is_found_before_the_engine_fails(engine_store: MakeStore, flavour: Flavour) -> None:
    store = engine_store(LATEST, flavour, ())
    play(store, [["start", name, [["child", OF_CHILD], ["event", "on"]]] for name in (*ALTERED, "untouched")])
    assert findings(store, race_window=0) == []
    for parent in ALTERED:
        alter(store, parent)
    found = {(check, name) for check, name, _ in findings(store, race_window=0)}
    # The row is a copy of the child's name, and is not made one of the altered name.
    assert found == {("I013", f"{parent}::sub::2") for parent in ALTERED} | {("I004", "begun-name::sub::2")}
    before = contents(store)
    run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", "--level", "deep"])
    assert contents(store) == before
    play(store, [["event", f"{name}::sub::2", "go"] for name in (*ALTERED, "untouched")])
    failed = {name for name, said in store.admin("statuses").items() if "nondeterministic" in str(said)}
    assert failed == FAIL

"""What clients of the engine ask for, holystone's turns do; and what they are told is what holystone wrote."""

from __future__ import annotations

import json

import pytest

from conftest import ENGINES, Flavour, MakeStore
from engine.test_untouched import findings
from holystone.store import Store
from turns.shared.runtime import Runtime


@pytest.mark.parametrize("version", [pytest.param(ENGINES[0], marks=pytest.mark.long), *ENGINES[1:]])
def test_clients_of_the_engine_are_served(engine_store: MakeStore, version: str, flavour: Flavour) -> None:
    made = engine_store(version, flavour, ())
    store = Store.open(made.target, made.schema)
    legs = [["status", "waiting"], ["event", "go"], ["queue", "letters"], ["key", ["k", "v"]]]
    made.run("start", "asked", "Relay", json.dumps({"legs": legs}))
    made.run("start", "unwanted", "ParentOfWaiting", "null")
    Runtime(store).run()
    assert made.admin("status", "asked")["custom_status"] == "waiting"
    made.run("raise-event", "asked", "go", json.dumps({"n": 1}))
    made.run("enqueue-event", "asked", "letters", json.dumps("x"))
    made.run("cancel", "unwanted", "not any more")
    Runtime(store).run()
    statuses = made.admin("statuses")
    assert (statuses["asked"]["status"], statuses["asked"]["output"]) == ("Completed", [{"n": 1}, "x"])
    assert (statuses["unwanted"]["status"], statuses["unwanted"]["error"]) == ("Failed", "canceled: not any more")
    assert statuses["unwanted::sub::2"]["error"] == "canceled: parent canceled"
    assert made.admin("kv", "asked", "k") == "v"
    assert findings(made) == []

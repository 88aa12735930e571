"""Holystone takes the driver's orchestrations along the engine's own road: what it leaves is the same, to the event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import ENGINES, MakeStore
from holystone.store import Store
from turns.kit import Kit
from turns.shared.outcome import outcome
from turns.shared.runtime import Runtime

SCENARIOS = ("cancelled-parent", "chains", "custom-statuses", "key-values", "parents", "work-outstanding")
"""What the engine does, of which holystone does a part again."""

STARTS: dict[str, tuple[str, Any]] = {
    "cancelled-parent": ("ParentOfWaiting", None),
    "chain-finished": ("Chain", {"number": 1, "last": 4}),
    "chain-waiting": ("Chain", {"number": 1, "last": 3, "wait": True}),
    "grandparent": ("Grandparent", None),
    "kv-carried": ("CarriedKeys", 1),
    "kv-carried-cleared": ("CarriedKeys", 1),
    "kv-continued": ("Keys", {"again": True}),
    "kv-finished": ("Keys", {}),
    "kv-finished-cleared": ("Keys", {"clear_all": True}),
    "kv-live": ("Keys", {"wait": True}),
    "kv-live-cleared": ("Keys", {"wait": True, "clear_all": True}),
    "outstanding-canceled": ("WaitsForAllKinds", "canceled"),
    "outstanding-live": ("WaitsForAllKinds", "live"),
    "parent-of-chain": ("ParentOfChain", None),
    "status-carried": ("CarriedStatus", {"number": 1, "reset": False}),
    "status-carried-reset": ("CarriedStatus", {"number": 1, "reset": True}),
    "status-never": ("Statuses", []),
    "status-reset": ("Statuses", ["one", None]),
    "status-set-again": ("Statuses", ["one", None, "", "🧽"]),
}
CANCELLED = {"cancelled-parent": "with its child", "outstanding-canceled": "with work outstanding"}


@pytest.mark.parametrize("version", [pytest.param(ENGINES[0], marks=pytest.mark.long), *ENGINES[1:]])
def test_holystone_leaves_what_the_engine_leaves(engine_store: MakeStore, version: str) -> None:
    theirs = outcome(engine_store(version, "sqlite", SCENARIOS))
    made = engine_store(version, "sqlite", ())
    store = Store.open(made.target)
    kit, runtime = Kit(store), Runtime(store)
    for instance, (name, value) in STARTS.items():
        kit.start(instance, name, input=json.dumps(value))
    runtime.run()
    for instance, reason in CANCELLED.items():
        kit.send("CancelInstance", instance=instance, reason=reason)
    kit.poke("kv-carried-cleared", "null")
    runtime.run()
    ours = outcome(made)
    assert len(ours) > len(STARTS)
    for instance, rows in ours.items():
        assert rows == theirs[instance], instance

"""No repair wakes an instance whose history cannot be read: on PostgreSQL every fetch of the store would fail then."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from engine.test_queues import put
from engine.test_untouched import findings
from holystone.cli.main import run

pytestmark = pytest.mark.long


def unreadable(store: EngineStore, instance: str, execution_id: int = 1) -> None:
    store.execute(
        "UPDATE history SET event_data = '{' WHERE instance_id = ? AND execution_id = ? AND event_id = 2",
        instance,
        execution_id,
    )


def message_elsewhere(store: EngineStore) -> None:
    """Q007: a message lies under another instance, which has ended."""
    unreadable(store, "waiting")
    raised = {"ExternalRaised": {"instance": "waiting", "name": "go", "data": "1"}}
    put(store, "orchestrator_queue", raised, instance_id="waiting-answered")


def execution_behind(store: EngineStore) -> None:
    """I001: the row of instances is at an earlier execution, and an event for the latest one waits."""
    unreadable(store, "chain-waiting", 3)
    store.execute("UPDATE instances SET current_execution_id = 2 WHERE instance_id = 'chain-waiting'")
    put(
        store,
        "orchestrator_queue",
        {"ExternalRaised": {"instance": "chain-waiting", "name": "go", "data": "1"}},
        instance_id="chain-waiting",
    )


def continuation_lost(store: EngineStore) -> None:
    """I006: the message that would begin the next execution is lost, and the start of the last one lacks a field."""
    store.execute("DELETE FROM orchestrator_queue WHERE instance_id = 'between-stopped'")
    of = "instance_id = 'between-stopped' AND event_id = 1"
    ((text,),) = store.execute(f"SELECT event_data FROM history WHERE {of}")
    start = json.loads(str(text))
    del start["input"]
    store.execute(f"UPDATE history SET event_data = ? WHERE {of}", json.dumps(start))


def continuation_lost_and_nul(store: EngineStore) -> None:
    """I006: every field can be read, but PostgreSQL casts no text with a NUL to JSONB."""
    store.execute("DELETE FROM orchestrator_queue WHERE instance_id = 'between-stopped'")
    store.execute(
        "UPDATE history SET event_data = replace(event_data, 'carried over', 'carried \\u0000') "
        "WHERE instance_id = 'between-stopped' AND event_id = 2"
    )


DAMAGES: dict[str, tuple[Callable[[EngineStore], None], str]] = {
    "Q007": (message_elsewhere, "waiting-answered"),
    "I001": (execution_behind, "chain-waiting"),
    "I006": (continuation_lost, "between-stopped"),
}
"""Check -> what leads to its finding, and the instance that has it."""


def assert_repairs_write_nothing(store: EngineStore) -> None:
    before = contents(store)
    for unsafe in ([], ["--unsafe", "requeue-continue-as-new"]):
        run(["repair", "apply", *store.arguments, "--yes", "--race-window", "0", *unsafe])
        assert contents(store) == before
    store.run("start", "after", "Work", "1")
    store.run("run", "--seconds", "2")
    assert store.admin("status", "after")["status"] == "Completed"


@pytest.mark.parametrize("check", DAMAGES)
def test_repair_leaves_it_asleep(engine_store: MakeStore, flavour: Flavour, check: str) -> None:
    store = engine_store(ENGINES[-1], flavour, ["waiting", "chains", "between-stopped"])
    damage, instance = DAMAGES[check]
    damage(store)
    found = findings(store, race_window=0)
    assert {name for one, name, _ in found if one != "H005"} == {instance}
    assert {check, "H005"} <= {one for one, _, _ in found}
    assert_repairs_write_nothing(store)


def test_no_message_is_made_of_what_no_jsonb_can_hold(engine_store: MakeStore) -> None:
    store = engine_store(ENGINES[-1], "postgresql", ["between-stopped"])
    continuation_lost_and_nul(store)
    found = findings(store, race_window=0)
    assert {"I006", "H005"} <= {check for check, _, _ in found}
    assert {instance for _, instance, _ in found} == {"between-stopped"}
    assert_repairs_write_nothing(store)

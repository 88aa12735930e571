"""An instance may have many executions; each has a history of its own, and the latest one counts."""

from __future__ import annotations

from holystone.store import WorkItem
from turns.conftest import Column
from turns.kit import Kit


def types(kit: Kit, instance_id: str, execution_id: int | None = None) -> list[str]:
    return [event.type for event in kit.store.read_history(instance_id, execution_id)]


def test_execution_isolation(kit: Kit) -> None:
    """Each execution's history holds its own events only, with ids that begin at 1 again."""
    kit.begin("a")
    kit.turn("a", ("ExternalSubscribed", {"name": "go"}))
    kit.continue_as_new("a")
    kit.complete("a")
    first = ["OrchestrationStarted", "ExternalSubscribed", "OrchestrationContinuedAsNew"]
    second = ["OrchestrationStarted", "OrchestrationCompleted"]
    assert types(kit, "a", 1) == first
    assert types(kit, "a", 2) == second
    assert types(kit, "a") == second
    assert [event.event_id for event in kit.store.read_history("a", 2)] == [1, 2]
    assert {event.execution_id for event in kit.store.read_history("a", 1)} == {1}


def test_latest_execution_detection(kit: Kit) -> None:
    """Who does not say which execution reads the latest one; the earlier ones are still there."""
    kit.begin("a")
    kit.turn("a", ("CustomStatusUpdated", {"status": "early"}))
    kit.continue_as_new("a")
    kit.turn("a", ("CustomStatusUpdated", {"status": "late"}))
    assert kit.store.read_history("a")[-1].payload == {"status": "late"}
    assert kit.store.read_history("a", 1)[1].payload == {"status": "early"}
    assert kit.store.read_history("a", 3) == []


def test_execution_id_sequencing(kit: Kit, column: Column) -> None:
    """The first execution is 1, and a fetch tells the execution that the last ack made current."""
    kit.start("a")
    assert kit.fetch().execution_id == 1
    kit.begin("b")
    for expected in (2, 3):
        kit.continue_as_new("b")
        assert column("instances", "current_execution_id", instance_id="b") == expected
    kit.poke("b")
    assert kit.fetch().execution_id == 3


def test_continue_as_new_creates_new_execution(kit: Kit, column: Column) -> None:
    """Continuing as new ends one execution; the next one begins when its message is taken and acked."""
    kit.begin("a")
    again = WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="2", version=None)
    kit.turn("a", ("OrchestrationContinuedAsNew", {"input": "2"}), messages=[again])
    assert column("executions", "status", instance_id="a", execution_id=1) == "ContinuedAsNew"
    assert column("executions", "count(*)", instance_id="a") == 1
    assert kit.store.get_status("a").status == "Running"
    item = kit.fetch()
    assert (item.execution_id, list(item.messages)) == (1, [again])
    assert item.history[-1].type == "OrchestrationContinuedAsNew"
    kit.store.ack_orchestration_item(item.lock_token, 2, history_delta=[kit.started("a", 2, input="2")])
    assert column("instances", "current_execution_id", instance_id="a") == 2
    assert column("executions", "status", instance_id="a", execution_id=2) == "Running"
    kit.poke("a")
    item = kit.fetch()
    assert item.execution_id == 2
    assert [event.payload["input"] for event in item.history] == ["2"]


def test_execution_history_persistence(kit: Kit) -> None:
    """Earlier histories stay as they were, however many executions follow."""
    kit.begin("a")
    kept = {}
    for execution_id in (1, 2, 3):
        kit.turn("a", ("CustomStatusUpdated", {"status": f"of {execution_id}"}))
        kit.continue_as_new("a")
        kept[execution_id] = kit.store.read_history("a", execution_id)
    assert [kept[number][1].payload["status"] for number in kept] == ["of 1", "of 2", "of 3"]
    assert {number: kit.store.read_history("a", number) for number in kept} == kept
    assert types(kit, "a") == ["OrchestrationStarted"]

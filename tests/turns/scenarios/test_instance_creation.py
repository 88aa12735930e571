"""An instance comes into being with the first turn that is written, not with the message that asks for it."""

from __future__ import annotations

from holystone.store import WorkItem
from turns.conftest import Column
from turns.kit import Kit


def test_instance_creation_via_metadata(kit: Kit, column: Column) -> None:
    """The first ack makes instance and execution, with the version that the turn resolved and not the one asked for."""
    kit.start("a", version="1.0.0")
    item = kit.fetch()
    assert (item.execution_id, item.orchestration_name, item.orchestration_version) == (1, "Order", "1.0.0")
    assert list(item.history) == []
    assert column("instances", "count(*)") == 0
    started = kit.started("a", version="2.0.0")
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[started])
    assert column("executions", "status", instance_id="a", execution_id=1) == "Running"
    kit.poke("a")
    item = kit.fetch()
    assert (item.execution_id, item.orchestration_name, item.orchestration_version) == (1, "Order", "2.0.0")
    assert list(item.history) == [started]


def test_no_instance_creation_on_enqueue(kit: Kit, column: Column) -> None:
    """A queued start is no instance yet, and can be fetched all the same."""
    kit.start("a")
    assert column("instances", "count(*)") == 0
    assert column("executions", "count(*)") == 0
    assert kit.store.get_status("a").status == "NotFound"
    assert kit.fetch().instance_id == "a"
    assert column("instances", "count(*)") == 0


def test_null_version_handling(kit: Kit) -> None:
    """A start that leaves the version open can be fetched, and the first ack settles it."""
    kit.start("a", version=None)
    item = kit.fetch()
    assert item.orchestration_version == "unknown"
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[kit.started("a", version="3.0.0")])
    kit.poke("a")
    assert kit.fetch().orchestration_version == "3.0.0"


def test_sub_orchestration_instance_creation(kit: Kit, column: Column) -> None:
    """A child, too, is made by its own first ack, which names its parent."""
    kit.start("a")
    child = WorkItem.new(
        "StartOrchestration",
        instance="a::sub::2",
        orchestration="Part",
        input="{}",
        version=None,
        parent_instance="a",
        parent_id=2,
        execution_id=1,
    )
    scheduled = kit.event("a", 2, "SubOrchestrationScheduled", name="Part", instance="a::sub::2", input="{}")
    kit.store.ack_orchestration_item(
        kit.fetch().lock_token, 1, history_delta=[kit.started("a"), scheduled], orchestrator_items=[child]
    )
    assert column("instances", "count(*)") == 1
    item = kit.fetch()
    assert (item.instance_id, item.orchestration_name) == ("a::sub::2", "Part")
    started = kit.started("a::sub::2", name="Part", version="1.5.0", parent_instance="a", parent_id=2)
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[started])
    assert column("instances", "parent_instance_id", instance_id="a::sub::2") == "a"
    kit.poke("a::sub::2")
    assert kit.fetch().orchestration_version == "1.5.0"

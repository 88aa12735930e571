"""What a store can be asked about its instances, executions and queues."""

from __future__ import annotations

from turns.kit import Kit


def test_list_instances(kit: Kit) -> None:
    """Every instance is listed once, whatever its state; a start that is still queued is none."""
    kit.begin("running")
    kit.finish("completed")
    kit.start("queued")
    assert sorted(kit.store.list_instances()) == ["completed", "running"]


def test_list_instances_by_status(kit: Kit) -> None:
    """Instances can be listed by the status of their current execution; earlier ones do not count."""
    kit.finish("done")
    kit.begin("chain")
    kit.continue_as_new("chain")
    assert kit.store.list_instances_by_status("Completed") == ["done"]
    assert kit.store.list_instances_by_status("Running") == ["chain"]
    assert kit.store.list_instances_by_status("ContinuedAsNew") == []


def test_list_executions(kit: Kit) -> None:
    """The executions of an instance are listed by number, and an unknown instance has none."""
    kit.begin("a")
    kit.continue_as_new("a")
    assert kit.store.list_execution_ids("a") == [1, 2]
    assert kit.store.list_execution_ids("nobody") == []


def test_get_instance_info(kit: Kit) -> None:
    """An instance tells its orchestration, version, current execution, status and parent."""
    kit.begin("parent")
    kit.begin("a", name="Refund", version="2.0.0", parent_instance="parent", parent_id=2)
    info = kit.store.get_instance_info("a")
    assert (info.instance_id, info.orchestration_name, info.orchestration_version) == ("a", "Refund", "2.0.0")
    assert (info.current_execution_id, info.status, info.output) == (1, "Running", None)
    assert info.parent_instance_id == "parent"


def test_get_execution_info(kit: Kit) -> None:
    """An execution tells its status, its output and how many events it has."""
    kit.finish("a", output="7")
    info = kit.store.get_execution_info("a", 1)
    assert (info.execution_id, info.status, info.output, info.event_count) == (1, "Completed", "7", 2)
    assert info.completed_at is not None
    assert info.started_at <= info.completed_at


def test_get_system_metrics(kit: Kit) -> None:
    """The store counts its instances by status, their executions and their events."""
    empty = kit.store.get_system_metrics()
    assert (empty.total_instances, empty.total_executions, empty.total_events) == (0, 0, 0)
    kit.finish("done")
    kit.begin("chain")
    kit.continue_as_new("chain")
    metrics = kit.store.get_system_metrics()
    assert (metrics.total_instances, metrics.total_executions, metrics.total_events) == (2, 3, 5)
    assert (metrics.running_instances, metrics.completed_instances, metrics.failed_instances) == (1, 1, 0)


def test_get_queue_depths(kit: Kit) -> None:
    """The store counts what waits in its queues, and no longer counts what a worker holds."""
    assert vars(kit.store.get_queue_depths()) == {"orchestrator_queue": 0, "worker_queue": 0}
    kit.employ("a", {}, {})
    kit.poke("a")
    assert vars(kit.store.get_queue_depths()) == {"orchestrator_queue": 1, "worker_queue": 2}
    kit.work()
    kit.fetch()
    assert vars(kit.store.get_queue_depths()) == {"orchestrator_queue": 0, "worker_queue": 1}

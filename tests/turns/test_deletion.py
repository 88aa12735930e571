"""Deletion beside the engine's: the same rows go, but for those of instances that are still at work."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from holystone.errors import DeletionError, LockLostError
from holystone.store import Store, WorkItem
from holystone.store.turns.records import InstanceFilter
from turns.kit import LOCK_MS, Kit
from turns.states import STATES


@pytest.fixture
def two(engine_store: MakeStore, flavour: Flavour) -> tuple[EngineStore, EngineStore]:
    """Two copies of a store: one for the engine, one for holystone."""
    return engine_store(ENGINES[-1], flavour, STATES), engine_store(ENGINES[-1], flavour, STATES)


def opened(made: EngineStore) -> Store:
    return Store.open(made.target, made.schema)


@pytest.mark.parametrize("instance_id", ["grandparent", "kv-finished"])
def test_ended_instance_goes_as_with_the_engine(two: tuple[EngineStore, EngineStore], instance_id: str) -> None:
    theirs, ours = two
    expected = theirs.admin("delete-instance", instance_id)
    result = asdict(opened(ours).delete_instance(instance_id))
    assert result.pop("left_out") == ()
    assert result == expected
    assert contents(ours) == contents(theirs)


def test_running_instance_goes_by_force_as_with_the_engine(two: tuple[EngineStore, EngineStore]) -> None:
    theirs, ours = two
    expected = theirs.admin("delete-instance", "chain-waiting", "--force")
    store = opened(ours)
    with pytest.raises(DeletionError, match="'chain-waiting' is still running: execution 3"):
        store.delete_instance("chain-waiting")
    result = asdict(store.delete_instance("chain-waiting", force=True))
    assert result.pop("left_out") == ()
    assert result == expected
    assert contents(ours) == contents(theirs)


def test_bulk_deletion_is_the_engines_but_for_what_is_alive(two: tuple[EngineStore, EngineStore]) -> None:
    """The engine takes an instance that only waits to go on, and a child at work whose parent has failed."""
    theirs, ours = two
    result = opened(ours).delete_instance_bulk(InstanceFilter())
    waiting, working = sorted(result.left_out)
    assert waiting.startswith("'between-backed-off' is still running: the history of execution 1 has neither")
    assert working == "'outstanding-nondeterministic::sub::3' is still running: execution 1 has the status Running."
    ended = [*theirs.expected, "nobody"]
    for alive in ("between-backed-off", "outstanding-nondeterministic"):
        ended.remove(alive)
    expected = theirs.admin("delete-bulk", "--ids", json.dumps(ended))
    assert {name: value for name, value in asdict(result).items() if name != "left_out"} == expected
    assert result.instances_deleted > 15
    assert contents(ours) == contents(theirs)


def test_bulk_deletion_goes_on_behind_what_it_leaves_out(kit: Kit, made: EngineStore) -> None:
    for number in range(4):
        kit.finish(f"i{number}")
        kit.begin(f"a{number}")
    made.execute("UPDATE executions SET status = 'Completed'")
    batches = [kit.store.delete_instance_bulk(InstanceFilter(limit=2)) for _ in range(3)]
    assert [batch.instances_deleted for batch in batches] == [2, 2, 0]
    assert len(batches[-1].left_out) == 4
    assert "'a0' is still running: the history of execution 1 has neither" in batches[-1].left_out[0]
    for number in range(4):
        kit.store.delete_instance(f"a{number}", force=True)


def test_what_goes_on_as_new_is_no_ended_instance(kit: Kit, made: EngineStore) -> None:
    """The engine deletes it, and its next execution with it, which only waits for its first turn."""
    kit.begin("a")
    again = WorkItem.new("ContinueAsNew", instance="a", orchestration="Order", input="{}", version=None)
    kit.turn("a", ("OrchestrationContinuedAsNew", {"input": "{}"}), messages=[again])
    before = contents(made)
    with pytest.raises(DeletionError, match="'a' is still running: the history of execution 1"):
        kit.store.delete_instance("a")
    assert kit.store.delete_instance_bulk(InstanceFilter()).instances_deleted == 0
    assert contents(made) == before
    kit.store.delete_instance("a", force=True)


def test_status_that_is_wrong_destroys_nothing(kit: Kit, made: EngineStore) -> None:
    """All rows of a chain say that it ended, and its current execution is given as the first: it still runs."""
    kit.begin("a")
    kit.continue_as_new("a")
    made.execute("UPDATE executions SET status = 'ContinuedAsNew'")
    made.execute("UPDATE instances SET current_execution_id = 1")
    before = contents(made)
    with pytest.raises(DeletionError, match="'a' is still running: the history of execution 2"):
        kit.store.delete_instance("a")
    with pytest.raises(DeletionError, match="execution 2"):
        kit.store.delete_instances_atomic(["a"])
    assert kit.store.delete_instance_bulk(InstanceFilter()).instances_deleted == 0
    assert contents(made) == before
    kit.store.delete_instance("a", force=True)


def test_stale_status_is_not_overruled_by_history(kit: Kit, made: EngineStore) -> None:
    """What ended by its history and runs by its row is left to a repair."""
    kit.finish("a")
    made.execute("UPDATE executions SET status = 'Running'")
    with pytest.raises(DeletionError, match="'a' is still running: execution 1 has the status Running"):
        kit.store.delete_instance("a")
    kit.store.delete_instance("a", force=True)


def test_root_of_a_running_child_is_left_out(kit: Kit, made: EngineStore) -> None:
    """The engine's bulk deletion takes the child along, which is in the middle of its work."""
    kit.finish("root")
    kit.begin("root::sub::2", parent_instance="root", parent_id=2)
    before = contents(made)
    result = kit.store.delete_instance_bulk(InstanceFilter())
    assert result.instances_deleted == 0
    assert result.left_out == ("'root::sub::2' is still running: execution 1 has the status Running.",)
    assert contents(made) == before
    kit.store.delete_instance("root", force=True)


def test_instance_in_the_middle_of_a_turn_waits(kit: Kit, made: EngineStore) -> None:
    kit.finish("a")
    kit.poke("a")
    item = kit.fetch()
    before = contents(made)
    with pytest.raises(DeletionError, match="'a' is in the middle of a turn"):
        kit.store.delete_instance("a")
    assert contents(made) == before
    kit.store.delete_instance("a", force=True)
    with pytest.raises(LockLostError):
        kit.store.ack_orchestration_item(item.lock_token, 1)


def test_root_of_a_child_that_is_still_to_start_waits(kit: Kit, made: EngineStore) -> None:
    scheduled = kit.event("root", 2, "SubOrchestrationScheduled", name="Order", instance="sub::2", input="{}")
    kit.begin("root", scheduled, kit.event("root", 3, "OrchestrationCompleted", output="1"))
    kit.start("root::sub::2", parent_instance="root", parent_id=2)
    before = contents(made)
    with pytest.raises(DeletionError, match="'root::sub::2' has still to start, as a child of 'root'"):
        kit.store.delete_instance("root")
    assert "'root::sub::2' has still to start" in kit.store.delete_instance_bulk(InstanceFilter()).left_out[0]
    assert contents(made) == before
    kit.store.delete_instance("root", force=True)
    assert not kit.has_turn


@pytest.mark.parametrize(("given", "child"), [("sub::2", "root::sub::2"), ("named", "named")])
@pytest.mark.parametrize("fetched", [False, True])
def test_child_that_was_never_begun_goes_along(
    kit: Kit, made: EngineStore, given: str, child: str, fetched: bool
) -> None:
    """Begun after its parent has gone, it would tell nobody of its end, and halt the engine's dispatcher."""
    scheduled = kit.event("root", 2, "SubOrchestrationScheduled", name="Order", instance=given, input="{}")
    kit.begin("root", scheduled, messages=[kit.starting(child, parent_instance="root", parent_id=2)])
    kit.start("stranger")
    tokens = {item.instance_id: item.lock_token for item in (kit.fetch(), kit.fetch())} if fetched else {}
    result = kit.store.delete_instance("root", force=True)
    assert (result.instances_deleted, result.queue_messages_deleted) == (1, 1)
    if fetched:
        with pytest.raises(LockLostError):
            kit.store.ack_orchestration_item(tokens[child], 1, history_delta=[kit.started(child)])
        kit.store.abandon_orchestration_item(tokens["stranger"])
    item = kit.fetch(LOCK_MS)
    assert item.instance_id == "stranger"
    kit.store.ack_orchestration_item(
        item.lock_token,
        1,
        history_delta=[kit.started("stranger"), kit.event("stranger", 2, "OrchestrationCompleted", output="1")],
    )
    assert not kit.has_turn


def test_namesake_of_a_child_stays(kit: Kit, made: EngineStore) -> None:
    """A start that names another parent, or none, is not the child's."""
    scheduled = kit.event("root", 2, "SubOrchestrationScheduled", name="Order", instance="named", input="{}")
    kit.begin("root", scheduled, kit.event("root", 3, "OrchestrationCompleted", output="1"))
    kit.finish("other")
    kit.start("named", parent_instance="other", parent_id=9)
    assert kit.store.delete_instance("root").queue_messages_deleted == 0
    assert kit.fetch().instance_id == "named"
    made.execute("DELETE FROM orchestrator_queue")
    made.execute("DELETE FROM instance_locks")

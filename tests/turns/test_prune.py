"""Pruning beside the engine's: the same executions go, and none that could still be needed."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from contents import contents
from holystone.errors import DeletionError
from holystone.store import Store
from holystone.store.turns.records import InstanceFilter
from turns.kit import Kit
from turns.states import STATES


@pytest.fixture
def two(engine_store: MakeStore, flavour: Flavour) -> tuple[EngineStore, EngineStore]:
    """Two copies of a store: one for the engine, one for holystone."""
    return engine_store(ENGINES[-1], flavour, STATES), engine_store(ENGINES[-1], flavour, STATES)


def opened(made: EngineStore) -> Store:
    return Store.open(made.target, made.schema)


def test_instance_is_pruned_as_by_the_engine(two: tuple[EngineStore, EngineStore]) -> None:
    theirs, ours = two
    for keep, removed in ((2, 2), (0, 1)):
        expected = theirs.admin("prune", "chain-finished", "--keep", str(keep))
        result = asdict(opened(ours).prune_executions("chain-finished", keep_last=keep))
        assert result.pop("left_out") == ()
        assert result == expected
        assert result["executions_deleted"] == removed
        assert contents(ours) == contents(theirs)


def test_moment_is_compared_as_by_the_engine(two: tuple[EngineStore, EngineStore], flavour: Flavour) -> None:
    """On PostgreSQL an execution that continued as new has no moment of its end, so that none is ever before one."""
    theirs, ours = two
    second = opened(ours).get_execution_info("chain-finished", 2)
    before = (second.completed_at or 4_000_000_000_000) + 1
    expected = theirs.admin("prune", "chain-finished", "--before", str(before))
    result = opened(ours).prune_executions("chain-finished", completed_before=before)
    assert result.executions_deleted == expected["executions_deleted"] == (2 if flavour == "sqlite" else 0)
    assert contents(ours) == contents(theirs)


def test_all_instances_are_pruned_as_by_the_engine(two: tuple[EngineStore, EngineStore]) -> None:
    theirs, ours = two
    expected = theirs.admin("prune-bulk", "--keep", "1")
    result = asdict(opened(ours).prune_executions_bulk(InstanceFilter(), keep_last=1))
    assert result.pop("left_out") == ()
    assert result == expected
    assert result["executions_deleted"] > 5
    assert contents(ours) == contents(theirs)


@pytest.fixture
def chain(kit: Kit) -> Kit:
    """Instance `a` runs in its third execution."""
    kit.begin("a")
    kit.continue_as_new("a")
    kit.continue_as_new("a")
    return kit


def test_execution_that_ended_by_its_row_only_stays(chain: Kit, made: EngineStore) -> None:
    chain.complete("a")
    made.execute("DELETE FROM history WHERE execution_id = 2 AND event_id = 2")
    before = contents(made)
    with pytest.raises(DeletionError, match="Execution 2 of 'a' cannot be pruned"):
        chain.store.prune_executions("a")
    result = chain.store.prune_executions_bulk(InstanceFilter())
    assert (result.instances_processed, result.executions_deleted) == (0, 0)
    assert "Execution 2 of 'a'" in result.left_out[0]
    assert contents(made) == before
    chain.store.delete_instance("a")


def test_newest_execution_stays_whatever_the_instance_says(chain: Kit, made: EngineStore) -> None:
    """The engine keeps the one that the instance names, and removes the one that runs."""
    made.execute("UPDATE executions SET status = 'ContinuedAsNew'")
    made.execute("UPDATE instances SET current_execution_id = 1")
    assert chain.store.prune_executions("a").executions_deleted == 1
    assert chain.store.list_execution_ids("a") == [1, 3]
    assert len(chain.store.read_history("a", 3)) == 1
    chain.store.delete_instance("a", force=True)


def test_running_row_stays(chain: Kit, made: EngineStore) -> None:
    made.execute("UPDATE executions SET status = 'Running' WHERE execution_id = 1")
    assert chain.store.prune_executions("a").executions_deleted == 1
    assert chain.store.list_execution_ids("a") == [1, 3]
    chain.store.delete_instance("a", force=True)


def test_limit_counts_instances(kit: Kit) -> None:
    for instance_id in "abc":
        kit.begin(instance_id)
        kit.continue_as_new(instance_id)
        kit.complete(instance_id)
    assert kit.store.prune_executions_bulk(InstanceFilter(limit=2)).instances_processed == 2
    assert [len(kit.store.list_execution_ids(instance_id)) for instance_id in "abc"] == [1, 1, 2]

"""Pruning takes old executions of long chains away, and never the current one."""

from __future__ import annotations

import pytest

from conftest import Flavour
from holystone.errors import UnknownInstanceError
from holystone.store.turns.records import InstanceFilter
from turns.conftest import Clock
from turns.kit import Kit


def chain(kit: Kit, instance_id: str, executions: int, *, completed: bool = True) -> None:
    """An instance that continued as new up to so many executions, the last of which has completed or still runs."""
    kit.begin(instance_id)
    for _ in range(executions - 1):
        kit.continue_as_new(instance_id)
    if completed:
        kit.complete(instance_id)


def test_prune_options_combinations(kit: Kit, clock: Clock, flavour: Flavour) -> None:
    """What goes meets all conditions: not one of the last so many, and ended before a moment. Given none, all go."""
    chain(kit, "timed", 4)
    begun = clock.now_ms
    clock.pass_ms(1_000)
    assert kit.store.prune_executions("timed", completed_before=begun).executions_deleted == 0
    # Where an execution that continued as new has no completed_at, no moment comes after it.
    expected = [3, 4] if flavour == "sqlite" else [1, 2, 3, 4]
    kit.store.prune_executions("timed", keep_last=2, completed_before=clock.now_ms)
    assert kit.store.list_execution_ids("timed") == expected
    chain(kit, "a", 4)
    result = kit.store.prune_executions("a", keep_last=2)
    assert (result.instances_processed, result.executions_deleted, result.events_deleted) == (1, 2, 4)
    assert kit.store.list_execution_ids("a") == [3, 4]
    assert [len(kit.store.read_history("a", number)) for number in (1, 2, 3, 4)] == [0, 0, 2, 2]
    chain(kit, "b", 3)
    assert kit.store.prune_executions("b").executions_deleted == 2
    assert kit.store.list_execution_ids("b") == [3]


def test_prune_safety(kit: Kit) -> None:
    """The current execution stays whatever is asked, running or ended; an unknown instance is an error."""
    for completed in (False, True):
        for keep_last in (None, 0, 1):
            instance_id = f"{completed} {keep_last}"
            chain(kit, instance_id, 3, completed=completed)
            assert kit.store.prune_executions(instance_id, keep_last=keep_last).executions_deleted == 2
            assert kit.store.list_execution_ids(instance_id) == [3]
            assert kit.store.get_instance_info(instance_id).current_execution_id == 3
    with pytest.raises(UnknownInstanceError, match="'nobody'"):
        kit.store.prune_executions("nobody", keep_last=1)


def test_prune_bulk(kit: Kit) -> None:
    """Many instances are pruned at once, and those that are not named are left alone."""
    for instance_id in ("a", "b", "c"):
        chain(kit, instance_id, 3)
    result = kit.store.prune_executions_bulk(InstanceFilter(instance_ids=["a", "b"]), keep_last=1)
    assert (result.instances_processed, result.executions_deleted) == (2, 4)
    assert [kit.store.list_execution_ids(instance_id) for instance_id in "abc"] == [[3], [3], [1, 2, 3]]


def test_prune_bulk_includes_running_instances(kit: Kit) -> None:
    """A chain that still runs is pruned like any other, and goes on."""
    chain(kit, "a", 3, completed=False)
    result = kit.store.prune_executions_bulk(InstanceFilter(instance_ids=["a"]), keep_last=1)
    assert (result.instances_processed, result.executions_deleted) == (1, 2)
    assert kit.store.list_execution_ids("a") == [3]
    assert kit.store.get_instance_info("a").status == "Running"
    kit.continue_as_new("a")
    assert kit.store.list_execution_ids("a") == [3, 4]

"""Deleting many instances at once, by what they have in common; what still runs is never among them."""

from __future__ import annotations

import pytest

from holystone.store.turns.records import DeleteInstanceResult, InstanceFilter
from turns.conftest import Clock
from turns.kit import Kit


@pytest.fixture
def finished(kit: Kit) -> list[str]:
    """Five instances that have completed."""
    ids = [f"i{number}" for number in range(5)]
    for instance_id in ids:
        kit.finish(instance_id)
    return ids


def test_delete_instance_bulk_filter_combinations(kit: Kit, finished: list[str]) -> None:
    """Named instances are deleted and no others, unknown ones count as none, and without a filter all go."""
    assert kit.store.delete_instance_bulk(InstanceFilter(instance_ids=finished[:2])).instances_deleted == 2
    assert sorted(kit.store.list_instances()) == finished[2:]
    assert kit.store.delete_instance_bulk(InstanceFilter(instance_ids=["nobody", "i0"])).instances_deleted == 0
    assert sorted(kit.store.list_instances()) == finished[2:]
    assert kit.store.delete_instance_bulk(InstanceFilter()).instances_deleted == 3
    assert kit.store.list_instances() == []


def test_delete_instance_bulk_safety_and_limits(kit: Kit, finished: list[str]) -> None:
    """Running instances are passed over, even named ones; a limit lets the rest go in batches."""
    running = ["r0", "r1"]
    for instance_id in running:
        kit.begin(instance_id)
    named = InstanceFilter(instance_ids=[*running, finished[0]])
    assert kit.store.delete_instance_bulk(named).instances_deleted == 1
    batches = [kit.store.delete_instance_bulk(InstanceFilter(limit=3)).instances_deleted for _ in range(3)]
    assert batches == [3, 1, 0]
    assert sorted(kit.store.list_instances()) == running


def test_delete_instance_bulk_completed_before_filter(kit: Kit, clock: Clock) -> None:
    """Only what had completed before the given moment is deleted, and only of what is named as well."""
    for instance_id in ("early", "late", "unnamed"):
        clock.pass_ms(1_000)
        if instance_id == "late":
            between = clock.now_ms - 500
        kit.finish(instance_id)
    named = ["early", "late"]
    after = clock.now_ms + 1_000

    def delete(completed_before: int) -> int:
        filter = InstanceFilter(instance_ids=named, completed_before=completed_before)
        return kit.store.delete_instance_bulk(filter).instances_deleted

    assert delete(between - 1_000) == 0
    assert delete(between) == 1
    assert sorted(kit.store.list_instances()) == ["late", "unnamed"]
    assert delete(after) == 1
    assert kit.store.list_instances() == ["unnamed"]


def test_delete_instance_bulk_cascades_to_children(kit: Kit) -> None:
    """Roots take their descendants along, which count, too; a child is never taken for itself."""
    for root, children in (("one", 1), ("many", 3), ("none", 0)):
        kit.finish(root)
        for number in range(2, 2 + children):
            kit.finish(f"{root}::sub::{number}", parent_instance=root, parent_id=number)
    child = InstanceFilter(instance_ids=["many::sub::2"])
    assert kit.store.delete_instance_bulk(child) == DeleteInstanceResult()
    roots = InstanceFilter(instance_ids=["one", "many", "none"])
    assert kit.store.delete_instance_bulk(roots).instances_deleted == 7
    assert kit.store.list_instances() == []

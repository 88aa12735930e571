"""Deleting an instance leaves nothing of it and its descendants, and takes nothing that is still at work by chance."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import EngineStore
from contents import contents
from holystone.duroxide.tables import metadata
from holystone.errors import DeletionError, LockLostError, UnknownInstanceError
from turns.conftest import Clock
from turns.kit import LOCK_MS, Kit

CHILD, OTHER, GRANDCHILD = "root::sub::2", "root::sub::3", "root::sub::3::sub::2"
FAMILY = ("root", CHILD, OTHER, GRANDCHILD)


def family(kit: Kit) -> None:
    """A root with two children, one of which has a child; all have completed."""
    kit.finish("root")
    kit.finish(CHILD, parent_instance="root", parent_id=2)
    kit.finish(OTHER, parent_instance="root", parent_id=3)
    kit.finish(GRANDCHILD, parent_instance=OTHER, parent_id=2)


def there(kit: Kit, *instances: str) -> list[str]:
    """Return those of the instances that exist."""
    return [instance for instance in instances if instance in kit.store.list_instances()]


def fail(kit: Kit, instance_id: str, kind: Any) -> None:
    kit.begin(instance_id)
    details = {"Application": {"kind": kind, "message": "no funds", "retryable": False}}
    kit.turn(instance_id, ("OrchestrationFailed", {"details": details}))


def nothing_left(made: EngineStore) -> bool:
    held = contents(made)
    return not any(held[table] for table in metadata.tables)


def test_delete_terminal_instances(kit: Kit, made: EngineStore) -> None:
    """An instance that completed, failed or was cancelled can be deleted, and every row of it goes."""
    kit.finish("completed")
    fail(kit, "failed", "OrchestrationFailed")
    fail(kit, "cancelled", {"Cancelled": {"reason": "why"}})
    for instance_id, events in (("completed", 2), ("failed", 2), ("cancelled", 2)):
        result = kit.store.delete_instance(instance_id)
        assert (result.instances_deleted, result.executions_deleted, result.events_deleted) == (1, 1, events)
        with pytest.raises(UnknownInstanceError):
            kit.store.get_instance_info(instance_id)
    assert nothing_left(made)


def test_delete_running_rejected_force_succeeds(kit: Kit, made: EngineStore) -> None:
    """A running instance is only deleted by force; else the error says that it runs, and it is left as it was."""
    kit.begin("a")
    before = contents(made)
    with pytest.raises(DeletionError, match=r"'a'.*[Rr]unning"):
        kit.store.delete_instance("a")
    assert contents(made) == before
    assert kit.store.delete_instance("a", force=True).instances_deleted == 1
    assert nothing_left(made)


def test_delete_nonexistent_instance(kit: Kit) -> None:
    """Deleting what is not there is an error that names it, with force as without."""
    for force in (False, True):
        with pytest.raises(UnknownInstanceError, match="'nobody'"):
            kit.store.delete_instance("nobody", force=force)


def test_delete_cleans_queues_and_locks(kit: Kit, made: EngineStore, clock: Clock) -> None:
    """Messages, activities and an old lock go with the instance, and its id can be used for another one."""
    kit.employ("a")
    kit.complete("a")
    kit.poke("a")
    kit.fetch()
    clock.pass_ms(LOCK_MS)
    assert kit.store.delete_instance("a").queue_messages_deleted >= 2
    assert nothing_left(made)
    kit.begin("a", name="Refund", version="2.0.0")
    info = kit.store.get_instance_info("a")
    assert (info.orchestration_name, info.orchestration_version, info.status) == ("Refund", "2.0.0", "Running")
    assert len(kit.store.read_history("a")) == 1


def test_cascade_delete_hierarchy(kit: Kit, made: EngineStore) -> None:
    """A descendant cannot be deleted by itself, even by force; the root takes all generations along."""
    family(kit)
    for instance_id in (CHILD, GRANDCHILD):
        for force in (False, True):
            with pytest.raises(DeletionError, match="root"):
                kit.store.delete_instance(instance_id, force=force)
    assert there(kit, *FAMILY) == list(FAMILY)
    result = kit.store.delete_instance("root")
    assert (result.instances_deleted, result.executions_deleted, result.events_deleted) == (4, 4, 8)
    assert nothing_left(made)


def test_force_delete_prevents_ack_recreation(kit: Kit, made: EngineStore) -> None:
    """Who holds a turn of an instance that was deleted by force cannot bring it back with an ack."""
    kit.begin("a")
    kit.poke("a")
    item = kit.fetch()
    kit.store.delete_instance("a", force=True)
    with pytest.raises(LockLostError):
        kit.store.ack_orchestration_item(
            item.lock_token,
            1,
            history_delta=[kit.event("a", 2, "TimerCreated", fire_at_ms=1)],
            worker_items=[kit.activity("a")],
        )
    assert nothing_left(made)


def test_list_children(kit: Kit) -> None:
    """The children of an instance are the next generation only; a leaf and an unknown instance have none."""
    family(kit)
    assert sorted(kit.store.list_children("root")) == [CHILD, OTHER]
    assert kit.store.list_children(OTHER) == [GRANDCHILD]
    assert kit.store.list_children(GRANDCHILD) == []
    assert kit.store.list_children("nobody") == []


def test_delete_get_parent_id(kit: Kit) -> None:
    """A child has its parent's id, a root has none, and asking for an unknown instance is an error."""
    family(kit)
    assert kit.store.get_parent_id("root") is None
    assert kit.store.get_parent_id(CHILD) == "root"
    assert kit.store.get_parent_id(GRANDCHILD) == OTHER
    with pytest.raises(UnknownInstanceError, match="'nobody'"):
        kit.store.get_parent_id("nobody")


def test_delete_get_instance_tree(kit: Kit) -> None:
    """The tree of an instance holds it and all that descends from it, each once."""
    family(kit)
    tree = kit.store.get_instance_tree("root")
    assert (tree.root_id, sorted(tree.all_ids)) == ("root", sorted(FAMILY))
    assert sorted(kit.store.get_instance_tree(OTHER).all_ids) == [OTHER, GRANDCHILD]
    assert kit.store.get_instance_tree(CHILD).all_ids == (CHILD,)


def test_delete_instances_atomic(kit: Kit, made: EngineStore) -> None:
    """Several instances can be deleted in one transaction, and the counts are of all of them."""
    ids = ["a", "b", "c"]
    for instance_id in ids:
        kit.finish(instance_id)
    result = kit.store.delete_instances_atomic(ids)
    assert (result.instances_deleted, result.executions_deleted, result.events_deleted) == (3, 3, 6)
    assert nothing_left(made)


def test_delete_instances_atomic_force(kit: Kit, made: EngineStore) -> None:
    """One running instance among them, and none is deleted, but by force."""
    kit.finish("completed")
    kit.begin("running")
    ids = ["completed", "running"]
    before = contents(made)
    with pytest.raises(DeletionError, match="'running'"):
        kit.store.delete_instances_atomic(ids)
    assert contents(made) == before
    assert kit.store.delete_instances_atomic(ids, force=True).instances_deleted == 2
    assert nothing_left(made)


def test_delete_instances_atomic_orphan_detection(kit: Kit, made: EngineStore) -> None:
    """Nothing is deleted where a child would be left without its parent: it may have come just then."""
    kit.finish("root")
    kit.finish(CHILD, parent_instance="root", parent_id=2)
    before = contents(made)
    with pytest.raises(DeletionError, match=CHILD):
        kit.store.delete_instances_atomic(["root"])
    assert contents(made) == before
    kit.store.delete_instances_atomic(["root", CHILD])
    assert nothing_left(made)


def test_stale_activity_after_delete_recreate(kit: Kit) -> None:
    """An activity of a deleted instance cannot complete one of the new instance with the same id."""
    kit.employ("a")
    stale = kit.work()
    kit.store.delete_instance("a", force=True)
    kit.employ("a")
    with pytest.raises(LockLostError):
        kit.store.ack_work_item(stale.lock_token, kit.completion("a", result="stale"))
    assert not kit.has_turn
    assert kit.work().lock_token != stale.lock_token

"""What holystone tells of a store is what the engine's own management side tells of it, on the same rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.duroxide.event_types import STATUSES
from holystone.errors import UnknownInstanceError
from holystone.store import Store, SystemStats
from turns.kit import Kit
from turns.states import STATES


@pytest.fixture
def busy(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    """A store of the engine with instances in many states, and messages in both queues."""
    return engine_store(ENGINES[-1], flavour, STATES)


@pytest.fixture
def store(busy: EngineStore) -> Store:
    return Store.open(busy.target, busy.schema, read_only=True)


def test_metrics_and_depths_are_the_engines(busy: EngineStore, store: Store, flavour: Flavour) -> None:
    for queue in ("orchestrator_queue", "worker_queue"):  # nothing that changes between the one answer and the other
        busy.execute(f"UPDATE {queue} SET lock_token = NULL, locked_until = NULL")
        if flavour == "postgresql":  # the first is due, and the others are not
            is_later = f"CAST(id > (SELECT min(id) FROM {queue}) AS integer)"
            busy.execute(f"UPDATE {queue} SET visible_at = created_at + interval '1 day' * {is_later}")
    assert asdict(store.get_system_metrics()) == busy.admin("metrics")
    theirs = busy.admin("depths")
    assert asdict(store.get_queue_depths()) == {name: theirs[name] for name in ("orchestrator_queue", "worker_queue")}
    assert theirs["orchestrator_queue"] + theirs["worker_queue"] > 0


def test_rows_are_told_as_the_engine_tells_them(busy: EngineStore, store: Store, flavour: Flavour) -> None:
    theirs = busy.admin("instances")
    assert theirs.keys() == set(store.list_instances())
    assert sorted(store.list_instances_by_status("ContinuedAsNew")) == busy.admin("list-by-status", "ContinuedAsNew")
    for status in STATUSES:
        listed = store.list_instances_by_status(status)
        assert set(listed) == {one for one, said in theirs.items() if said["status"] == status} != set()
    for instance_id in ("chain-finished", "failed-at-once", "grandparent::sub::2", "between-backed-off", "kv-live"):
        said = theirs[instance_id]
        executions = said.pop("executions")
        assert store.list_execution_ids(instance_id) == [one["execution_id"] for one in executions]
        assert store.latest_execution_id(instance_id) == executions[-1]["execution_id"]
        assert_same(asdict(store.get_instance_info(instance_id)), said, flavour)
        for one in executions:
            assert_same(asdict(store.get_execution_info(instance_id, one["execution_id"])), one, flavour)


def assert_same(ours: dict[str, Any], theirs: dict[str, Any], flavour: Flavour) -> None:
    """The same records, but for what the engine cannot read of SQLite: texts for moments, and what is NULL."""
    if flavour == "sqlite":
        for name in ("created_at", "updated_at", "started_at"):
            if name in ours:
                assert ours.pop(name) > 1_600_000_000_000
                assert theirs.pop(name) == 0
        ours |= {name: ours[name] or nothing for name, nothing in (("output", ""), ("completed_at", 0)) if name in ours}
    assert ours == theirs


def test_trees_are_the_engines(busy: EngineStore, store: Store) -> None:
    tree = store.get_instance_tree("grandparent")
    assert sorted(tree.all_ids) == sorted(busy.admin("tree", "grandparent")["all_ids"])
    assert (tree.root_id, len(tree.all_ids)) == ("grandparent", 5)
    assert store.get_parent_id("grandparent::sub::2::sub::4") == "grandparent::sub::2"


def test_a_circle_of_parents_ends_somewhere(kit: Kit, made: EngineStore) -> None:
    kit.finish("a")
    kit.finish("b")
    made.execute("UPDATE instances SET parent_instance_id = CASE instance_id WHEN 'a' THEN 'b' ELSE 'a' END")
    assert kit.store.get_instance_tree("a").all_ids == ("a", "b")
    made.execute("UPDATE instances SET parent_instance_id = NULL")


def test_newest_instances_come_first(kit: Kit, made: EngineStore) -> None:
    for instance_id, day in (("a", 2), ("b", 1), ("c", 3), ("d", 3)):
        kit.finish(instance_id)
        made.execute(f"UPDATE instances SET created_at = '2020-01-0{day} 00:00:00' WHERE instance_id = ?", instance_id)
    assert kit.store.list_instances() == ["c", "d", "a", "b"]


@pytest.mark.parametrize(
    "operation", ["get_instance_info", "latest_execution_id", "get_instance_tree", "get_parent_id"]
)
def test_unknown_instance_is_named(kit: Kit, operation: str) -> None:
    with pytest.raises(UnknownInstanceError, match="no instance 'nobody'"):
        getattr(kit.store, operation)("nobody")


def test_unknown_execution_is_named(kit: Kit) -> None:
    kit.finish("a")
    with pytest.raises(UnknownInstanceError, match="no execution 2 of 'a'"):
        kit.store.get_execution_info("a", 2)


def test_statistics_are_of_the_current_execution_and_of_what_clients_read(kit: Kit, made: EngineStore) -> None:
    assert kit.store.get_instance_stats("nobody") is None
    kit.begin("a", kit.event("a", 2, "KeyValueSet", key="kept", value="naïve", last_updated_at_ms=1))
    kit.turn("a", ("KeyValueSet", {"key": "gone", "value": "1234567", "last_updated_at_ms": 1}))
    size = sum(len(str(text).encode()) for (text,) in made.execute("SELECT event_data FROM history"))
    assert kit.store.get_instance_stats("a") == SystemStats(3, size, 0, 2, 13)
    kit.continue_as_new("a")
    kit.turn("a", ("KeyValueCleared", {"key": "gone"}))
    stats = kit.store.get_instance_stats("a")
    assert stats is not None
    assert (stats.history_event_count, stats.kv_user_key_count, stats.kv_total_value_bytes) == (2, 1, 6)


def test_statistics_count_what_the_execution_before_handed_on(kit: Kit) -> None:
    kit.start("a")
    started = kit.started("a", carry_forward_events=[["paid", "1"], ["sent", "2"]])
    kit.store.ack_orchestration_item(kit.fetch().lock_token, 1, history_delta=[started])
    stats = kit.store.get_instance_stats("a")
    assert stats is not None
    assert (stats.history_event_count, stats.queue_pending_count) == (1, 2)


def test_moments_of_no_known_form_are_told_as_none(kit: Kit, made: EngineStore, flavour: Flavour) -> None:
    kit.finish("a")
    if flavour == "sqlite":
        made.execute("UPDATE executions SET completed_at = 'yesterday'")
        assert kit.store.get_execution_info("a", 1).completed_at is None
        made.execute("UPDATE executions SET completed_at = '2020-01-01 00:00:00'")
        assert kit.store.get_execution_info("a", 1).completed_at == 1_577_836_800_000
        made.execute("UPDATE executions SET completed_at = 1577836800000")
    else:
        made.execute("UPDATE executions SET completed_at = '2020-01-01 01:00:00+01'")
    assert kit.store.get_execution_info("a", 1).completed_at == 1_577_836_800_000


def test_histories_are_told_by_execution(kit: Kit) -> None:
    kit.begin("a")
    kit.continue_as_new("a")
    kit.complete("a")
    assert {number: len(events) for number, events in kit.store.read_histories("a").items()} == {1: 2, 2: 2}
    assert kit.store.read_histories("a")[1] == kit.store.read_history("a", 1)
    assert kit.store.read_history("a") == kit.store.read_history("a", 2)
    assert kit.store.read_histories("nobody") == {}

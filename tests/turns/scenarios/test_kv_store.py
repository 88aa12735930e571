"""Keys belong to an instance: what its running execution writes is seen at once, and kept when the execution ends."""

from __future__ import annotations

from turns.conftest import Column
from turns.kit import Kit, News

CLEAR: News = ("KeyValuesCleared", {})


def put(key: str, value: str, at_ms: int = 5) -> News:
    return "KeyValueSet", {"key": key, "value": value, "last_updated_at_ms": at_ms}


def clear(key: str) -> News:
    return "KeyValueCleared", {"key": key}


def read(kit: Kit, *keys: str, of: str = "a") -> list[str | None]:
    """Return the values as a client reads them."""
    return [kit.store.get_kv_value(of, key) for key in keys]


def snapshot(kit: Kit, instance_id: str = "a") -> dict[str, str]:
    """Return the values that the next turn begins with, and ack it empty."""
    kit.poke(instance_id)
    item = kit.fetch()
    kit.store.ack_orchestration_item(item.lock_token, item.execution_id)
    return {key: value for key, (value, _) in item.kv.items()}


def test_kv_set_and_get(kit: Kit) -> None:
    """A key that a turn sets can be read."""
    kit.begin("a")
    kit.turn("a", put("counter", "42"))
    assert read(kit, "counter") == ["42"]


def test_kv_overwrite(kit: Kit) -> None:
    """The last value set counts, within a turn and between turns."""
    kit.begin("a")
    kit.turn("a", put("k", "1"), put("k", "2"))
    assert read(kit, "k") == ["2"]
    kit.turn("a", put("k", "3"))
    assert read(kit, "k") == ["3"]


def test_kv_clear_single(kit: Kit) -> None:
    """A key that is cleared reads as if it had never been, and others stay."""
    kit.begin("a")
    kit.turn("a", put("gone", "1"), put("kept", "2"))
    kit.turn("a", clear("gone"))
    assert read(kit, "gone", "kept") == [None, "2"]


def test_kv_clear_all(kit: Kit) -> None:
    """All keys of an instance can be cleared at once."""
    kit.begin("a")
    kit.turn("a", put("x", "1"), put("y", "2"))
    kit.turn("a", CLEAR)
    assert read(kit, "x", "y") == [None, None]


def test_kv_get_nonexistent(kit: Kit) -> None:
    """A key that was never set reads as None."""
    kit.begin("a")
    assert read(kit, "never") == [None]


def test_kv_snapshot_in_fetch(kit: Kit) -> None:
    """A turn comes with all keys that earlier executions left, and with the moments at which they were set."""
    kit.begin("a")
    kit.turn("a", put("x", "10", 3), put("y", "20", 4))
    kit.continue_as_new("a")
    kit.poke("a")
    assert kit.fetch().kv == {"x": ("10", 3), "y": ("20", 4)}


def test_kv_snapshot_after_clear_single(kit: Kit) -> None:
    """What an execution cleared before it ended is not among the keys that the next one begins with."""
    kit.begin("a")
    kit.turn("a", put("kept", "1"), put("gone", "2"))
    kit.turn("a", clear("gone"))
    kit.continue_as_new("a")
    assert snapshot(kit) == {"kept": "1"}


def test_kv_snapshot_after_clear_all(kit: Kit) -> None:
    """Where everything was cleared, the next turn and the next execution begin with nothing."""
    kit.begin("a")
    kit.turn("a", put("x", "1"), put("y", "2"))
    kit.turn("a", CLEAR)
    assert snapshot(kit) == {}
    kit.continue_as_new("a")
    assert snapshot(kit) == {}


def test_kv_execution_id_tracking(kit: Kit) -> None:
    """A key that two executions set outlives the pruning of the first, with the value of the second."""
    kit.begin("a")
    kit.turn("a", put("shared", "first"))
    kit.continue_as_new("a")
    kit.turn("a", put("shared", "second"))
    assert kit.store.prune_executions("a", keep_last=1).executions_deleted == 1
    assert read(kit, "shared") == ["second"]
    kit.complete("a")
    assert read(kit, "shared") == ["second"]


def test_kv_cross_execution_overwrite(kit: Kit) -> None:
    """What a later execution sets hides what an earlier one left."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    kit.continue_as_new("a")
    assert read(kit, "k") == ["1"]
    kit.turn("a", put("k", "2"))
    assert read(kit, "k") == ["2"]


def test_kv_cross_execution_remove_readd(kit: Kit) -> None:
    """A key can be set by one execution, cleared by the next, and set again by a third."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    kit.continue_as_new("a")
    kit.turn("a", clear("k"))
    assert read(kit, "k") == [None]
    kit.continue_as_new("a")
    assert read(kit, "k") == [None]
    kit.turn("a", put("k", "3"))
    assert read(kit, "k") == ["3"]


def test_kv_prune_preserves_overwritten(kit: Kit) -> None:
    """Pruning the execution that first set a key does not bring its value back, nor take the new one away."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    kit.continue_as_new("a")
    kit.turn("a", put("k", "2"))
    kit.continue_as_new("a")
    assert kit.store.prune_executions("a", keep_last=2).executions_deleted == 1
    assert read(kit, "k") == ["2"]
    assert snapshot(kit) == {"k": "2"}


def test_kv_prune_preserves_all_keys(kit: Kit) -> None:
    """Keys outlive the executions that set them: pruning takes none away."""
    kit.begin("a")
    kit.turn("a", put("early", "1"))
    kit.continue_as_new("a")
    kit.turn("a", put("late", "2"))
    assert kit.store.prune_executions("a", keep_last=1).executions_deleted == 1
    assert read(kit, "early", "late") == ["1", "2"]


def test_kv_instance_isolation(kit: Kit) -> None:
    """The same key of two instances has two values, for clients and for turns."""
    for instance_id in ("a", "b"):
        kit.begin(instance_id)
        kit.turn(instance_id, put("k", f"of {instance_id}"))
        kit.continue_as_new(instance_id)
    for instance_id in ("a", "b"):
        assert read(kit, "k", of=instance_id) == [f"of {instance_id}"]
        assert snapshot(kit, instance_id) == {"k": f"of {instance_id}"}


def test_kv_delete_instance_cascades(kit: Kit, column: Column) -> None:
    """Deleting an instance that has ended deletes its keys."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    kit.complete("a")
    assert read(kit, "k") == ["1"]
    kit.store.delete_instance("a")
    assert read(kit, "k") == [None]
    assert column("kv_store", "count(*)") == 0


def test_kv_clear_nonexistent_key(kit: Kit) -> None:
    """Clearing a key that was never set is no error, and makes none."""
    kit.begin("a")
    kit.turn("a", clear("never"))
    assert read(kit, "never") == [None]
    kit.continue_as_new("a")
    assert snapshot(kit) == {}


def test_kv_get_unknown_instance(kit: Kit) -> None:
    """An instance that is not there has no keys, which is no error."""
    assert read(kit, "k", of="nobody") == [None]
    assert kit.store.get_kv_all_values("nobody") == {}


def test_kv_set_after_clear(kit: Kit) -> None:
    """What a turn sets after it cleared everything stays, and what was there before goes."""
    kit.begin("a")
    kit.turn("a", put("x", "1"), put("y", "2"))
    kit.turn("a", CLEAR, put("x", "3"))
    assert read(kit, "x", "y") == ["3", None]


def test_kv_empty_value(kit: Kit) -> None:
    """An empty text is a value, and survives the end of its execution."""
    kit.begin("a")
    kit.turn("a", put("blank", ""))
    assert read(kit, "blank") == [""]
    kit.continue_as_new("a")
    assert read(kit, "blank") == [""]


def test_kv_large_value(kit: Kit) -> None:
    """A value of 64 KiB comes back as it was."""
    kit.begin("a")
    large = "0123456789abcdef" * 4096
    kit.turn("a", put("large", large))
    assert read(kit, "large") == [large]


def test_kv_special_chars_in_key(kit: Kit) -> None:
    """Any text can be a key."""
    keys = ["with spaces", "ключ", "dotted.key", "path/like", "quote ' and \"", "100%", "🧽", "line\nbreak", ""]
    kit.begin("a")
    kit.turn("a", *(put(key, str(number)) for number, key in enumerate(keys)))
    assert read(kit, *keys) == [str(number) for number in range(len(keys))]


def test_kv_snapshot_empty(kit: Kit) -> None:
    """An instance without keys begins its turns with none."""
    kit.begin("a")
    assert snapshot(kit) == {}


def test_kv_snapshot_cross_execution(kit: Kit) -> None:
    """A turn begins with what earlier executions left, and without what its own has set: its replay sets that."""
    kit.begin("a")
    kit.turn("a", put("early", "1"))
    kit.continue_as_new("a")
    kit.turn("a", put("own", "2"))
    assert snapshot(kit) == {"early": "1"}
    kit.continue_as_new("a")
    assert snapshot(kit) == {"early": "1", "own": "2"}


def test_kv_prune_current_execution_protected(kit: Kit) -> None:
    """Pruning an instance with one execution prunes nothing, and its keys stay."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    assert kit.store.prune_executions("a", keep_last=1).executions_deleted == 0
    assert read(kit, "k") == ["1"]


def test_kv_delete_instance_with_children(kit: Kit) -> None:
    """Deleting a parent deletes its children's keys."""
    kit.begin("a")
    kit.begin("a::sub::2", parent_instance="a", parent_id=2)
    kit.turn("a::sub::2", put("k", "1"))
    kit.turn("a::sub::2", ("OrchestrationCompleted", {"output": "1"}), messages=[kit.told("a", 2)])
    kit.take_late("a")
    kit.turn("a", put("k", "1"))
    kit.complete("a")
    kit.store.delete_instance("a")
    assert read(kit, "k", of="a") == [None]
    assert read(kit, "k", of="a::sub::2") == [None]


def test_kv_clear_isolation(kit: Kit) -> None:
    """Clearing the keys of one instance leaves another's alone."""
    for instance_id in ("a", "b"):
        kit.begin(instance_id)
        kit.turn(instance_id, put("k", "1"))
    kit.turn("a", CLEAR)
    assert read(kit, "k", of="a") == [None]
    assert read(kit, "k", of="b") == ["1"]


def test_kv_delta_snapshot_excludes_current_execution(kit: Kit) -> None:
    """A key that the running execution set is seen by clients, and not by its own next turn's beginning."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    assert read(kit, "k") == ["1"]
    assert snapshot(kit) == {}


def test_kv_delta_snapshot_includes_completed_execution(kit: Kit) -> None:
    """Once its execution has continued as new, the key is among those that turns begin with."""
    kit.begin("a")
    kit.turn("a", put("k", "5"))
    kit.continue_as_new("a")
    assert snapshot(kit) == {"k": "5"}


def test_kv_delta_client_reads_merged(kit: Kit) -> None:
    """A client sees the running execution's changes over what earlier ones left, key by key and all at once."""
    kit.begin("a")
    kit.turn("a", put("changed", "old"), put("left", "as it was"))
    kit.continue_as_new("a")
    kit.turn("a", put("changed", "new"), put("added", "now"))
    assert read(kit, "changed", "left", "added") == ["new", "as it was", "now"]
    assert kit.store.get_kv_all_values("a") == {"changed": "new", "left": "as it was", "added": "now"}


def test_kv_delta_tombstone_overrides_store(kit: Kit, column: Column) -> None:
    """A key that the running execution cleared is gone for clients, though its row is kept until the end."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    kit.continue_as_new("a")
    kit.turn("a", clear("k"))
    assert read(kit, "k") == [None]
    assert kit.store.get_kv_all_values("a") == {}
    assert column("kv_store", "value", key="k") == "1"
    kit.complete("a")
    assert column("kv_store", "count(*)") == 0


def test_kv_delta_clear_all_tombstones_store(kit: Kit) -> None:
    """Clearing everything hides what earlier executions left, but for what is set after."""
    kit.begin("a")
    kit.turn("a", put("x", "1"), put("y", "2"))
    kit.continue_as_new("a")
    kit.turn("a", CLEAR, put("z", "3"))
    assert read(kit, "x", "y", "z") == [None, None, "3"]
    kit.continue_as_new("a")
    assert snapshot(kit) == {"z": "3"}


def test_kv_delta_merged_on_completion(kit: Kit, column: Column) -> None:
    """When an execution completes, its keys move to where they are kept, and can be read as before."""
    kit.begin("a")
    kit.turn("a", put("k", "42"))
    assert (column("kv_delta", "value", key="k"), column("kv_store", "count(*)")) == ("42", 0)
    kit.complete("a")
    assert (column("kv_delta", "count(*)"), column("kv_store", "value", key="k")) == (0, "42")
    assert read(kit, "k") == ["42"]


def test_kv_delta_merged_on_can(kit: Kit) -> None:
    """The next execution begins with the last values that the one before had set."""
    kit.begin("a")
    kit.turn("a", put("version", "1"), put("progress", "half"))
    kit.turn("a", put("progress", "done"))
    kit.continue_as_new("a")
    assert snapshot(kit) == {"version": "1", "progress": "done"}


def test_kv_delta_delete_instance_cascades(kit: Kit, column: Column) -> None:
    """Deleting a running instance by force deletes the keys that its execution had set."""
    kit.begin("a")
    kit.turn("a", put("k", "1"))
    kit.store.delete_instance("a", force=True)
    assert read(kit, "k") == [None]
    assert column("kv_delta", "count(*)") == 0


def test_kv_delta_prune_untouched_key_survives(kit: Kit) -> None:
    """A key that no execution touched after the first survives the pruning of all but the last."""
    kit.begin("a")
    kit.turn("a", put("untouched", "1"))
    kit.continue_as_new("a")
    kit.turn("a", put("other", "2"))
    kit.continue_as_new("a")
    assert kit.store.prune_executions("a", keep_last=1).executions_deleted == 2
    assert read(kit, "untouched", "other") == ["1", "2"]
    assert snapshot(kit) == {"untouched": "1", "other": "2"}

"""An execution is handed only to runtimes that can replay what its first engine wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conftest import EngineStore
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.errors import InvalidTurnError
from holystone.store import Event
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.next_turn import Version
from turns.conftest import Column
from turns.kit import LOCK_MS, Kit

Range = tuple[Version, Version]

ONE: Range = ((1, 0, 0), (1, 9, 99))
TWO: Range = ((2, 0, 0), (2, 9, 99))


def begun(kit: Kit, **versions: str) -> None:
    """Have each instance begun by an engine of that version, and wait for another turn."""
    for instance_id, version in versions.items():
        Kit(kit.store, version).begin(instance_id)
    for instance_id in versions:
        kit.poke(instance_id)


def fetched(kit: Kit, supported: Range | None, lock_ms: int = LOCK_MS) -> OrchestrationItem | None:
    return kit.store.fetch_orchestration_item(lock_ms, supported)


def taken(kit: Kit, supported: Range | None) -> list[str]:
    """Return the instances that such a runtime gets, and give them all back."""
    items = []
    while (item := fetched(kit, supported)) is not None:
        items.append(item)
    for item in items:
        kit.store.abandon_orchestration_item(item.lock_token, ignore_attempt=True)
    return [item.instance_id for item in items]


def forget_versions(made: EngineStore) -> None:
    """Make all executions such as older engines left them, which noted no version."""
    parts = ("major", "minor", "patch")
    made.execute(f"UPDATE executions SET {', '.join(f'duroxide_version_{part} = NULL' for part in parts)}")


@pytest.fixture
def spoil(made: EngineStore) -> Iterator[Callable[[str], None]]:
    """Return a function that makes the history of an instance unreadable; it is mended after the test."""
    kept: list[tuple[str, str, int]] = []

    def spoil(instance_id: str) -> None:
        for event_data, event_id in made.execute(
            "SELECT event_data, event_id FROM history WHERE instance_id = ?", instance_id
        ):
            kept.append((event_data, instance_id, event_id))
        made.execute("UPDATE history SET event_data = 'no JSON' WHERE instance_id = ?", instance_id)

    yield spoil
    for event in kept:
        made.execute("UPDATE history SET event_data = ? WHERE instance_id = ? AND event_id = ?", *event)


def poison(kit: Kit, item: OrchestrationItem) -> Event:
    """Return the event by which a runtime gives an unreadable history up."""
    subject = {"instance": item.instance_id, "execution_id": item.execution_id, "error": item.history_error}
    poison = {
        "attempt_count": item.attempt_count,
        "max_attempts": item.attempt_count - 1,
        "message_type": {"FailedDeserialization": subject},
        "message": item.history_error,
    }
    return kit.event(item.instance_id, 99999, "OrchestrationFailed", details={"Poison": poison})


def test_fetch_with_filter_none_returns_any_item(kit: Kit) -> None:
    """A runtime that names no versions gets everything."""
    begun(kit, a="0.0.1", b="99.0.0")
    assert taken(kit, None) == ["a", "b"]


def test_fetch_with_compatible_filter_returns_item(kit: Kit) -> None:
    """A runtime gets what an engine of its own range began."""
    begun(kit, a="1.2.3")
    assert taken(kit, ONE) == ["a"]


def test_fetch_with_incompatible_filter_skips_item(kit: Kit) -> None:
    """A runtime does not get what an engine outside its range began."""
    begun(kit, a="1.2.3")
    assert taken(kit, TWO) == []


def test_fetch_filter_skips_incompatible_selects_compatible(kit: Kit) -> None:
    """What a runtime cannot replay does not keep it from what it can, whichever comes first."""
    begun(kit, one="1.0.0", two="2.0.0")
    assert taken(kit, TWO) == ["two"]
    assert taken(kit, ONE) == ["one"]


def test_fetch_filter_does_not_lock_skipped_instances(kit: Kit, column: Column) -> None:
    """What is passed over is neither locked nor counted as tried."""
    begun(kit, a="1.0.0")
    assert fetched(kit, TWO) is None
    assert column("instance_locks", "count(*)") == 0
    item = fetched(kit, ONE)
    assert item is not None
    assert item.attempt_count == 1


def test_fetch_filter_null_pinned_version_always_compatible(kit: Kit, made: EngineStore) -> None:
    """An execution of which no version is noted is handed to everybody; so is one that has not begun yet."""
    begun(kit, a="1.2.3")
    forget_versions(made)
    kit.start("new")
    assert taken(kit, ((99, 0, 0), (99, 9, 9))) == ["a", "new"]


def test_fetch_filter_boundary_versions(kit: Kit) -> None:
    """Both ends of a range belong to it, and their next neighbours do not."""
    begun(kit, below="0.9.99", low="1.0.0", high="1.9.99", above="2.0.0")
    assert taken(kit, ONE) == ["low", "high"]


def test_pinned_version_stored_via_ack_metadata(kit: Kit, column: Column) -> None:
    """The first turn notes the version of the engine that took it, in all its parts."""
    begun(kit, a="3.1.4")
    parts = [column("executions", f"duroxide_version_{part}", instance_id="a") for part in ("major", "minor", "patch")]
    assert parts == [3, 1, 4]
    assert taken(kit, ((3, 1, 4), (3, 1, 4))) == ["a"]


def test_pinned_version_immutable_across_ack_cycles(kit: Kit) -> None:
    """Later turns, of whatever engine, leave the noted version as it is."""
    Kit(kit.store, "1.0.0").begin("a")
    Kit(kit.store, "1.5.0").turn("a", ("ExternalSubscribed", {"name": "go"}))
    kit.poke("a")
    assert taken(kit, ((1, 5, 0), (1, 5, 0))) == []
    assert taken(kit, ((1, 0, 0), (1, 0, 0))) == ["a"]


def test_continue_as_new_execution_gets_own_pinned_version(kit: Kit) -> None:
    """The next execution goes by the engine that began it, not by that of the execution before."""
    Kit(kit.store, "1.0.0").begin("a")
    Kit(kit.store, "2.0.0").continue_as_new("a")
    kit.poke("a")
    assert taken(kit, ONE) == []
    assert taken(kit, TWO) == ["a"]


def test_concurrent_filtered_fetch_no_double_lock(kit: Kit) -> None:
    """Naming versions does not get a runtime what another one holds."""
    begun(kit, a="1.0.0")
    assert fetched(kit, ONE) is not None
    assert fetched(kit, ONE) is None


def test_ack_stores_pinned_version_via_metadata_update(kit: Kit, made: EngineStore) -> None:
    """A version is noted by the turn that starts the execution, and by no later one: the engine asserts as much."""
    begun(kit, a="1.2.3")
    forget_versions(made)
    assert taken(kit, TWO) == ["a"]
    token = kit.fetch().lock_token
    with pytest.raises(InvalidTurnError, match=r"pins the engine \(1, 2, 3\)"):
        kit.store.ack_orchestration_item(token, 1, metadata=ExecutionMetadata(pinned_version=(1, 2, 3)))
    kit.store.ack_orchestration_item(token, 1)


def test_provider_updates_pinned_version_when_told(kit: Kit) -> None:
    """A version that a later turn names is refused: the one noted before is what the execution began with."""
    begun(kit, a="1.0.0")
    token = kit.fetch().lock_token
    with pytest.raises(InvalidTurnError, match=r"pins the engine \(2, 0, 0\)"):
        kit.store.ack_orchestration_item(token, 1, metadata=ExecutionMetadata(pinned_version=(2, 0, 0)))
    kit.store.ack_orchestration_item(token, 1)
    kit.poke("a")
    assert taken(kit, TWO) == []
    assert taken(kit, ONE) == ["a"]


def test_fetch_corrupted_history_filtered_vs_unfiltered(kit: Kit, spoil: Callable[[str], None]) -> None:
    """An unreadable history hides behind a version outside the range; else its turn comes, empty, and says why."""
    begun(kit, a="1.0.0")
    spoil("a")
    assert fetched(kit, TWO) is None
    item = fetched(kit, None)
    assert item is not None
    assert (item.instance_id, list(item.history)) == ("a", [])
    assert item.history_error is not None
    assert "Event 1 of 'a', execution 1" in item.history_error


def test_fetch_deserialization_error_increments_attempt_count(kit: Kit, spoil: Callable[[str], None]) -> None:
    """Each fetch of a turn with an unreadable history counts as an attempt."""
    begun(kit, a="1.0.0")
    spoil("a")
    for expected in (1, 2):
        item = kit.fetch()
        assert item.history_error is not None
        assert item.attempt_count == expected
        kit.store.abandon_orchestration_item(item.lock_token)


def test_fetch_deserialization_error_eventually_reaches_poison(kit: Kit, spoil: Callable[[str], None]) -> None:
    """The attempts go on being counted, past any limit that a runtime may set."""
    begun(kit, a="1.0.0")
    spoil("a")
    for _ in range(10):
        kit.store.abandon_orchestration_item(kit.fetch().lock_token)
    item = kit.fetch()
    assert item.history_error is not None
    assert item.attempt_count == 11
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[poison(kit, item)])


def test_fetch_filter_applied_before_history_deserialization(kit: Kit, spoil: Callable[[str], None]) -> None:
    """What a runtime cannot replay is not read at all: an unreadable one counts no attempt and stops no other."""
    begun(kit, a="99.0.0", b="1.0.0")
    spoil("a")
    assert taken(kit, ONE) == ["b"]
    (item,) = [item for item in (kit.fetch(), kit.fetch()) if item.instance_id == "a"]
    assert item.attempt_count == 1


def test_ack_appends_event_to_corrupted_history(kit: Kit, made: EngineStore, spoil: Callable[[str], None]) -> None:
    """A turn with an unreadable history can be failed for good: the event is appended, and no other is touched."""
    begun(kit, a="1.0.0")
    spoil("a")
    item = kit.fetch()
    kit.store.ack_orchestration_item(item.lock_token, 1, history_delta=[poison(kit, item)])
    said = f"poison: orchestration a history deserialization failed after 1 attempts (max 0): {item.history_error}"
    assert made.execute("SELECT status, output FROM executions") == [("Failed", said)]
    assert made.execute("SELECT event_data FROM history WHERE event_id = 1") == [("no JSON",)]

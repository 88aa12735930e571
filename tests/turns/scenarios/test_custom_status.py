"""The status that an orchestration gives itself, and the version that tells that it has changed."""

from __future__ import annotations

from turns.kit import Kit, News


def said(status: str | None) -> News:
    return "CustomStatusUpdated", {"status": status}


def read(kit: Kit, instance_id: str = "a", *, seen: int = 0) -> tuple[str | None, int] | None:
    """Return status and version where they are newer than the version seen, as a client asks for them."""
    return kit.store.get_custom_status(instance_id, seen)


def test_custom_status_set(kit: Kit) -> None:
    """A turn with a new status shows it, as version 1; of several in one turn the last one."""
    kit.begin("a")
    kit.turn("a", said("first"), said("progress"))
    assert read(kit) == ("progress", 1)


def test_custom_status_clear(kit: Kit) -> None:
    """Taking the status away is a change like any other."""
    kit.begin("a")
    kit.turn("a", said("busy"))
    kit.turn("a", said(None))
    assert read(kit) == (None, 2)


def test_custom_status_none_preserves(kit: Kit) -> None:
    """A turn that says nothing of the status leaves it as it is."""
    kit.begin("a")
    kit.turn("a", said("kept"))
    kit.turn("a")
    kit.turn("a", ("ExternalSubscribed", {"name": "go"}))
    assert read(kit) == ("kept", 1)


def test_custom_status_version_increments(kit: Kit) -> None:
    """Each turn that sets or clears the status raises its version by one, even where it says the same again."""
    kit.begin("a")
    seen = []
    for status in ("one", "two", None, "three", "three"):
        kit.turn("a", said(status))
        seen.append(read(kit))
    assert seen == [("one", 1), ("two", 2), (None, 3), ("three", 4), ("three", 5)]


def test_custom_status_polling_no_change(kit: Kit) -> None:
    """Who has seen a version gets nothing until there is a newer one, whatever other turns and executions do."""
    kit.begin("a")
    kit.turn("a", said("one"))
    assert read(kit, seen=0) == ("one", 1)
    assert read(kit, seen=1) is None
    kit.turn("a", ("ExternalSubscribed", {"name": "go"}))
    kit.continue_as_new("a")
    assert read(kit, seen=1) is None
    kit.turn("a", said("two"))
    assert read(kit, seen=1) == ("two", 2)


def test_custom_status_nonexistent_instance(kit: Kit) -> None:
    """An instance that is not there has no status of its own, which is no error."""
    assert read(kit, "nobody") is None
    assert kit.store.get_status("nobody").custom_status is None


def test_custom_status_default_on_new_instance(kit: Kit) -> None:
    """A new instance has no status of its own, as version 0, which is news to nobody."""
    kit.begin("a")
    assert read(kit) is None
    status = kit.store.get_status("a")
    assert (status.custom_status, status.custom_status_version) == (None, 0)

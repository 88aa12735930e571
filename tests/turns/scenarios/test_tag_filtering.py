"""A worker names the tags that it takes, and gets the activities that have them."""

from __future__ import annotations

from typing import Any

from holystone.store.turns.tags import TagFilter
from turns.kit import LOCK_MS, PLAIN, Kit

GPU, CPU, FPGA = ({"tag": name} for name in ("gpu", "cpu", "fpga"))


def fetched(kit: Kit, tags: TagFilter) -> list[Any]:
    """Return the numbers of all activities that a worker gets."""
    numbers = []
    while (lease := kit.store.fetch_work_item(LOCK_MS, tags=tags)) is not None:
        numbers.append(lease.item.fields["id"])
    return numbers


def test_default_only_fetches_untagged(kit: Kit) -> None:
    """A worker that names no tag gets the activities without one; so does one that says nothing of tags."""
    kit.employ("a", PLAIN, GPU, PLAIN, PLAIN)
    assert kit.work().item.fields["id"] == 2
    assert fetched(kit, TagFilter.default_only()) == [4, 5]


def test_tags_fetches_only_matching(kit: Kit) -> None:
    """A worker that names a tag gets the activities with it, and none without."""
    kit.employ("a", PLAIN, GPU, CPU, GPU)
    assert fetched(kit, TagFilter.tags("gpu")) == [3, 5]


def test_default_and_fetches_untagged_and_matching(kit: Kit) -> None:
    """A worker can take the activities with its tag and those without any, in the order of the queue."""
    kit.employ("a", PLAIN, GPU, CPU, PLAIN)
    assert fetched(kit, TagFilter.default_and("gpu")) == [2, 3, 5]


def test_none_filter_returns_nothing(kit: Kit) -> None:
    """A process that runs no activities gets none."""
    kit.employ("a", PLAIN, GPU)
    assert fetched(kit, TagFilter.none()) == []


def test_multi_tag_filter(kit: Kit) -> None:
    """A worker can name several tags, and gets what has any of them."""
    kit.employ("a", GPU, FPGA, CPU, PLAIN)
    assert fetched(kit, TagFilter.tags("gpu", "fpga")) == [2, 3]


def test_tag_round_trip_preservation(kit: Kit) -> None:
    """The worker gets the tag with the activity, as it was given, whatever text it is."""
    tag = "it's ü, 100%"
    kit.employ("a", {"tag": tag})
    assert kit.work(tags=TagFilter.tags(tag)).item.fields["tag"] == tag


def test_any_filter_fetches_everything(kit: Kit) -> None:
    """A worker can take every activity, with whatever tag."""
    kit.employ("a", PLAIN, GPU, CPU)
    assert fetched(kit, TagFilter.any()) == [2, 3, 4]


def test_tag_survives_abandon_and_refetch(kit: Kit) -> None:
    """An activity that is given back keeps its tag, and goes to nobody without it."""
    kit.employ("a", GPU, PLAIN)
    first = kit.work(tags=TagFilter.tags("gpu"))
    kit.store.abandon_work_item(first.lock_token)
    assert fetched(kit, TagFilter.default_only()) == [3]
    again = kit.work(tags=TagFilter.tags("gpu"))
    assert (again.item, again.attempt_count) == (first.item, 2)
    assert again.lock_token != first.lock_token


def test_multi_runtime_tag_isolation(kit: Kit) -> None:
    """Workers whose tags overlap share a queue: each gets what it names and no other holds."""
    kit.employ("a", PLAIN, GPU, CPU, FPGA, GPU)
    assert fetched(kit, TagFilter.default_only()) == [2]
    both = TagFilter.tags("gpu", "cpu")
    assert [kit.work(tags=both).item.fields["id"] for _ in range(2)] == [3, 4]
    assert fetched(kit, TagFilter.tags("cpu", "fpga")) == [5]
    assert fetched(kit, TagFilter.any()) == [6]


def test_tag_preserved_through_ack_orchestration_item(kit: Kit) -> None:
    """The tags of activities that a turn schedules decide who gets them."""
    kit.begin("a")
    kit.schedule("a", GPU, PLAIN)
    lease = kit.work()
    assert lease.item == kit.activity("a", 3)
    kit.store.ack_work_item(lease.lock_token)
    assert not kit.has_work
    assert kit.work(tags=TagFilter.tags("gpu")).item == kit.activity("a", 2, tag="gpu")

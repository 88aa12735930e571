"""Which tags a worker may name, and what it takes then."""

from __future__ import annotations

from typing import Any

import pytest

from holystone.store.turns.tags import TagFilter
from turns.kit import LOCK_MS, Kit

FILTERS: list[tuple[list[str | None], TagFilter]] = [
    ([None], TagFilter.default_only()),
    (["gpu", "cpu"], TagFilter.tags("gpu", "cpu")),
    ([None, "gpu"], TagFilter.default_and("gpu")),
    ([None, "gpu", "cpu", "", "GPU"], TagFilter.any()),
    ([], TagFilter.none()),
]


def test_what_is_fetched_is_what_the_filter_takes(kit: Kit) -> None:
    tags = [None, "gpu", "cpu", "", "GPU"]
    for number, tag in enumerate(tags, 2):
        fields: dict[str, Any] = {} if tag is None else {"tag": tag}
        kit.store.enqueue_for_worker(kit.activity("a", number, **fields))
    for taken, filter in FILTERS:
        leases = []
        while lease := kit.store.fetch_work_item(LOCK_MS, tags=filter):
            leases.append(lease)
        assert [lease.item.fields.get("tag") for lease in leases] == taken
        assert [tag for tag in tags if filter.takes(tag)] == taken
        for lease in leases:
            kit.store.abandon_work_item(lease.lock_token)
    while lease := kit.store.fetch_work_item(LOCK_MS, tags=TagFilter.any()):
        kit.store.ack_work_item(lease.lock_token)


@pytest.mark.parametrize("names", [(), ("a", "b", "c", "d", "e", "f")])
def test_a_worker_names_one_to_five_tags(names: tuple[str, ...]) -> None:
    for make in (TagFilter.tags, TagFilter.default_and):
        with pytest.raises(ValueError, match=f"one to 5 tags, not {len(names)}"):
            make(*names)
    assert TagFilter.tags("a", "b", "c", "d", "e", "e").takes("e")

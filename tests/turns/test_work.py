"""What the worker queue takes, beyond the scenarios of the public suite."""

from __future__ import annotations

import pytest

from holystone.errors import InvalidTurnError
from holystone.store import WorkItem
from turns.conftest import Column
from turns.kit import Kit


def test_activity_is_queued_with_its_identity(kit: Kit, column: Column) -> None:
    kit.employ("a")
    assert [column("worker_queue", name) for name in ("instance_id", "execution_id", "activity_id")] == ["a", 1, 2]


def test_what_is_no_activity_is_refused(kit: Kit) -> None:
    kit.employ("a")
    with pytest.raises(InvalidTurnError, match="nothing for the worker queue"):
        kit.store.enqueue_for_worker(kit.completion("a"))
    with pytest.raises(InvalidTurnError, match="completes no activity"):
        kit.store.ack_work_item("token", WorkItem.new("ExternalRaised", instance="a", name="go", data="1"))

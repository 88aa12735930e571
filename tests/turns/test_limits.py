"""A turn that breaks a limit of the engine fails its execution, whatever else it has done, and sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from holystone.duroxide.metadata import ExecutionMetadata
from holystone.store import WorkItem
from turns.kit import Kit, News

ASKED: News = ("ActivityScheduled", {"name": "Charge", "input": "{}"})
COMPLETED: News = ("OrchestrationCompleted", {"output": "1"})
CONTINUED: News = ("OrchestrationContinuedAsNew", {"input": "{}"})
FAILED: News = (
    "OrchestrationFailed",
    {"details": {"Application": {"kind": "OrchestrationFailed", "message": "boom", "retryable": False}}},
)


def is_set(key: str, value: str) -> News:
    return "KeyValueSet", {"key": key, "value": value, "last_updated_at_ms": 1}


BROKEN: dict[str, tuple[list[News], str]] = {
    "value": ([is_set("k", "v" * 70_000)], "KV value for key 'k' (70000 bytes) exceeds limit (65536 bytes)"),
    "keys": ([is_set(f"k{n}", "v") for n in range(151)], "KV key count (151) exceeds limit (150)"),
    "custom status": (
        [("CustomStatusUpdated", {"status": "s" * 300_000})],
        "Custom status size (300000 bytes) exceeds limit (262144 bytes)",
    ),
}


def over_limit(said: str) -> News:
    details = {"Application": {"kind": "OrchestrationFailed", "message": said, "retryable": False}}
    return "OrchestrationFailed", {"details": details}


@pytest.mark.parametrize("end", [None, COMPLETED, CONTINUED, FAILED], ids=["goes on", "ends", "continues", "fails"])
@pytest.mark.parametrize("limit", BROKEN)
def test_the_failure_is_what_becomes_of_the_execution(kit: Kit, limit: str, end: News | None) -> None:
    news, said = BROKEN[limit]
    kit.begin("a")
    take(kit, [*news, *([] if end is None else [end]), over_limit(said)], ExecutionMetadata("Failed", said))
    status = kit.store.get_status("a")
    assert (status.status, status.output) == ("Failed", said)
    info = kit.store.get_instance_info("a")
    assert (info.status, info.output) == ("Failed", said)
    assert kit.store.get_execution_info("a", 1).completed_at is not None
    assert not kit.has_turn


def test_what_was_asked_for_is_given_up_after_the_failure(kit: Kit) -> None:
    news, said = BROKEN["value"]
    kit.begin("a")
    given_up: News = ("ActivityCancelRequested", {"source_event_id": 2, "reason": "orchestration_terminal_failed"})
    take(kit, [ASKED, *news, over_limit(said), given_up], cancelled=[("a", 1, 2)])
    assert kit.store.get_status("a").status == "Failed"
    assert not kit.has_work


def test_a_message_that_comes_after_it_is_dropped(kit: Kit) -> None:
    news, said = BROKEN["value"]
    kit.begin("a")
    take(kit, [*news, CONTINUED, over_limit(said)])
    kit.poke("a")
    kit.take_late("a")
    assert not kit.has_turn


def test_a_failure_in_the_same_words_may_tell_the_parent(kit: Kit) -> None:
    details = {"Application": {"kind": "OrchestrationFailed", "message": "it exceeds limit (3)", "retryable": False}}
    scheduled = kit.event("p", 2, "SubOrchestrationScheduled", name="Order", instance="sub::2", input="{}")
    child = kit.starting("p::sub::2", parent_instance="p", parent_id=2, parent_execution_id=1)
    kit.begin("p", scheduled, messages=[child])
    item = kit.fetch()
    told = WorkItem.new("SubOrchFailed", parent_instance="p", parent_execution_id=1, parent_id=2, details=details)
    kit.store.ack_orchestration_item(
        item.lock_token,
        1,
        history_delta=[
            kit.started("p::sub::2", parent_instance="p", parent_id=2, parent_execution_id=1),
            kit.event("p::sub::2", 2, "OrchestrationFailed", details=details),
        ],
        orchestrator_items=[told],
    )
    assert [message.kind for message in kit.fetch().messages] == ["SubOrchFailed"]


def take(
    kit: Kit, news: Sequence[News], metadata: ExecutionMetadata | None = None, cancelled: Sequence[Any] = ()
) -> None:
    """Ack a turn of the instance `a` after its first event."""
    kit.poke("a")
    events = [kit.event("a", number, kind, **payload) for number, (kind, payload) in enumerate(news, 2)]
    kit.store.ack_orchestration_item(
        kit.fetch().lock_token, 1, history_delta=events, metadata=metadata, cancelled_activities=cancelled
    )

"""Events and messages, where the engine could read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from holystone.errors import RecordError
from holystone.scan.reader import EventRow
from holystone.store import WorkItem
from holystone.store.event import COMMON, EVENT_SHAPES
from holystone.store.fields import fault


def read_events(rows: Sequence[EventRow]) -> list[Mapping[str, Any]] | None:
    """Return the events of one execution from its start on; None where one cannot be read, or the start is missing.

    The engine takes no turn on such a history, and nothing can be said of what comes of it.
    """
    events = [row.event for row in rows]
    whole: list[Mapping[str, Any]] = [event for event in events if event is not None and _is_whole(event)]
    begins = bool(whole) and whole[0]["type"] == "OrchestrationStarted"
    return whole if begins and len(whole) == len(rows) else None


def _is_whole(event: Mapping[str, Any]) -> bool:
    shape = EVENT_SHAPES.get(event["type"])
    return shape is not None and fault(COMMON, event) is None and fault(shape, event) is None


def read_message(work_item: Any) -> WorkItem | None:
    """Return the message that a queue's row holds, None where it cannot be read."""
    try:
        return WorkItem.from_json(work_item) if isinstance(work_item, str) else None
    except RecordError:
        return None

"""Events and messages, where the engine could read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from holystone.duroxide.event_types import EVENT_TYPES, START
from holystone.duroxide.work_item import WorkItem
from holystone.errors import RecordError
from holystone.scan.reader import EventRow


def read_events(rows: Sequence[EventRow]) -> list[Mapping[str, Any]] | None:
    """Return the events of one execution from its start on; None where one cannot be read, or the start is missing.

    The engine takes no turn on such a history, and nothing can be said of what comes of it.
    """
    whole: list[Mapping[str, Any]] = [row.event for row in rows if row.event is not None and row.type in EVENT_TYPES]
    begins = bool(whole) and whole[0]["type"] == START
    return whole if begins and len(whole) == len(rows) else None


def read_message(work_item: Any) -> WorkItem | None:
    """Return the message that a queue's row holds, None where it cannot be read."""
    try:
        return WorkItem.from_json(work_item) if isinstance(work_item, str) else None
    except RecordError:
        return None


def can_be_looked_up(value: Any) -> bool:
    """Return whether both databases can compare a column with a field of a message, which may hold more."""
    return "\0" not in value if isinstance(value, str) else isinstance(value, int) and value < 2**63

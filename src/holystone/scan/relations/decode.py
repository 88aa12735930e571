"""Events and messages, where the engine could read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from holystone.duroxide.event_types import EVENT_TYPES, START, TERMINAL
from holystone.duroxide.outcome import STILL_RUNNING, Outcome, terminal_outcome
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


def outcome_of(rows: Sequence[EventRow]) -> Outcome | None:
    """Return the outcome by the last terminal event; None where an event that cannot be read may be the end."""
    end = next((row for row in reversed(rows) if row.type in TERMINAL), None)
    if (not rows or end is not rows[-1]) and any(row.type not in EVENT_TYPES for row in rows):
        return None
    if end is None:
        return STILL_RUNNING
    assert end.event is not None
    return terminal_outcome(end.event)


def read_message(work_item: Any) -> WorkItem | None:
    """Return the message that a queue's row holds, None where it cannot be read."""
    try:
        return WorkItem.from_json(work_item) if isinstance(work_item, str) else None
    except RecordError:
        return None


def can_be_looked_up(value: Any) -> bool:
    """Return whether both databases can compare a column with a field of a message, which may hold more."""
    return "\0" not in value if isinstance(value, str) else isinstance(value, int) and value < 2**63

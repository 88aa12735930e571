"""History events: which are known, which end an execution, and what status they make of it.

Sources in microsoft/duroxide: `EventKind` and `ErrorDetails::display_message` in src/lib.rs, and
`compute_execution_metadata` in src/runtime/mod.rs, which writes the columns at ack. The status API looks
for a terminal event from the end of the history backwards, and so does this module's caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holystone.errors import RecordError
from holystone.store.error_details import ERROR_DETAILS, display_message
from holystone.store.event import EVENT_SHAPES, Event

RUNNING = "Running"
COMPLETED = "Completed"
FAILED = "Failed"
CONTINUED_AS_NEW = "ContinuedAsNew"

POISON_EVENT_ID = 99_999
"""The id that the engine gives to the end of a history that it cannot read, whatever ids that has."""

_OUTPUT = {COMPLETED: "output", CONTINUED_AS_NEW: "input"}
"""Status -> the field of the terminal event that is the execution's output."""

STATUSES = (RUNNING, COMPLETED, FAILED, CONTINUED_AS_NEW)

TERMINAL: dict[str, str] = {
    "OrchestrationCompleted": COMPLETED,
    "OrchestrationFailed": FAILED,
    "OrchestrationContinuedAsNew": CONTINUED_AS_NEW,
}
"""Type of a terminal event -> the status that it gives its execution."""

EVENT_TYPES = frozenset(EVENT_SHAPES)
"""Every event type of the newest engine known here; a newer one may write others."""


@dataclass(frozen=True)
class Outcome:
    """What a history says of its execution.

    `ended_at_ms` is the terminal event's own timestamp, in ms since the epoch.
    """

    status: str
    output: str | None = None
    ended_at_ms: int | None = None


STILL_RUNNING = Outcome(RUNNING)
"""The outcome of a history without a terminal event."""


def parse(event_data: Any) -> dict[str, Any] | None:
    """Return the fields of the event, or None where the engine cannot read it.

    A type or a kind of failure that is unknown here may be a newer engine's: `known_type` tells.
    """
    try:
        return Event.from_json(event_data).fields if isinstance(event_data, str) else None
    except RecordError:
        return None


def known_type(event: Mapping[str, Any]) -> str:
    """Return the event's type; where its kind of failure is unknown here, words that are no type and say so."""
    kind: str = event["type"]
    if "details" in EVENT_SHAPES.get(kind, ()) and (unknown := ERROR_DETAILS.unknown(event["details"])) is not None:
        return f"{kind} of kind {unknown}"
    return kind


def terminal_outcome(event: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome that `event` gives, or None where it is no terminal event that the engine can read."""
    status = TERMINAL.get(event["type"])
    if status is None:
        return None
    output = display_message(event["details"]) if status == FAILED else event[_OUTPUT[status]]
    return None if output is None else Outcome(status, output, event["timestamp_ms"])

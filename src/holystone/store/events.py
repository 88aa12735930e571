"""History events: which are known, which end an execution, and what status they make of it.

Sources in microsoft/duroxide: `EventKind` and `ErrorDetails::display_message` in src/lib.rs, and
`compute_execution_metadata` in src/runtime/mod.rs, which writes the columns at ack. The status API looks
for a terminal event from the end of the history backwards, and so does this module's caller.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holystone.store.event import EVENT_SHAPES

RUNNING = "Running"
COMPLETED = "Completed"
FAILED = "Failed"
CONTINUED_AS_NEW = "ContinuedAsNew"

POISON_EVENT_ID = 99_999
"""The id that the engine gives to the end of a history that it cannot read, whatever ids that has."""

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

    `output` is None where there is none, and where `output_known` is False: the engine that wrote the
    failure is newer than this module and its wording cannot be derived. `ended_at_ms` is the terminal
    event's own timestamp, in ms since the epoch.
    """

    status: str
    output: str | None = None
    ended_at_ms: int | None = None
    output_known: bool = True


STILL_RUNNING = Outcome(RUNNING)
"""The outcome of a history without a terminal event."""


def parse(event_data: Any) -> dict[str, Any] | None:
    """Return the event as a mapping, or None where `event_data` is no text: a JSON object with a type, in UTF-8."""
    if not isinstance(event_data, str):
        return None
    try:
        event_data.encode()
        event = json.loads(event_data)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def terminal_outcome(event: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome that `event` gives, or None where it is no terminal event that can be read."""
    status = TERMINAL.get(event["type"])
    ended_at_ms = event.get("timestamp_ms")
    if status is None or not isinstance(ended_at_ms, int):
        return None
    if status == FAILED:
        said = display_message(event.get("details"))
        output = said if _is_text(said) else None
        return Outcome(status, output, ended_at_ms, output_known=output is not None)
    output = event.get("output" if status == COMPLETED else "input")
    return Outcome(status, output, ended_at_ms) if _is_text(output) else None


def _is_text(thing: Any) -> bool:
    """Return whether it is a text that a database can hold: JSON may spell half of a surrogate pair."""
    try:
        return isinstance(thing, str) and thing.encode() is not None
    except UnicodeEncodeError:
        return False


def display_message(details: Any) -> str | None:
    """Return the text that the engine shows for the `details` of a failure, None for a kind not known here."""
    match details:
        case {"Infrastructure": {"operation": operation, "message": message}}:
            return f"infrastructure:{operation}: {message}"
        case {"Configuration": {"kind": "Nondeterminism", "resource": resource, **rest}}:
            message = rest.get("message")
            return f"nondeterministic in {resource}" if message is None else f"nondeterministic: {message}"
        case {"Application": {"kind": {"Cancelled": {"reason": reason}}}}:
            return f"canceled: {reason}"
        case {"Application": {"kind": "Panicked", "message": message}}:
            return f"orchestration panicked: {message}"
        case {"Application": {"kind": "ActivityFailed" | "OrchestrationFailed", "message": str(message)}}:
            return message
        case {"Poison": {"attempt_count": attempts, "max_attempts": limit, "message_type": subject}}:
            return _poison_message(subject, f"{attempts} attempts (max {limit})")
        case _:
            return None


def _poison_message(subject: Any, attempts: str) -> str | None:
    match subject:
        case {"Orchestration": {"instance": instance}}:
            return f"poison: orchestration {instance} exceeded {attempts}"
        case {"Activity": {"activity_name": name, "activity_id": number}}:
            return f"poison: activity {name}#{number} exceeded {attempts}"
        case {"FailedDeserialization": {"instance": instance, "error": error}}:
            return f"poison: orchestration {instance} history deserialization failed after {attempts}: {error}"
        case _:
            return None

"""What a history says of its execution: running, or how it ended.

Sources in microsoft/duroxide: `ErrorDetails::display_message` in src/lib.rs, and `compute_execution_metadata` in
src/runtime/mod.rs. The status API looks for a terminal event from the end of the history backwards, and so does this
module's caller.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from holystone.duroxide.error_details import ERROR_DETAILS, display_message
from holystone.duroxide.event import EVENT_SHAPES
from holystone.duroxide.event_types import COMPLETED, CONTINUED_AS_NEW, FAILED, RUNNING, TERMINAL

_OUTPUT = {COMPLETED: "output", CONTINUED_AS_NEW: "input"}
"""Status -> the field of the terminal event that is the execution's output."""


class Outcome(Struct, frozen=True):
    """What a history says of its execution.

    `ended_at_ms` is the terminal event's own timestamp, in ms since the epoch.
    """

    status: str
    output: str | None = None
    ended_at_ms: int | None = None


STILL_RUNNING = Outcome(RUNNING)
"""The outcome of a history without a terminal event."""


def known_type(event: Mapping[str, Any]) -> str:
    """Return the event's type; where its kind of failure is unknown here, words that are no type and say so."""
    kind: str = event["type"]
    unknown = unknown_kind(event)
    return kind if unknown in (None, kind) else f"{kind} of kind {unknown}"


def unknown_kind(event: Mapping[str, Any]) -> str | None:
    """Return the event's type, or else its kind of failure, where that is unknown here; None where both are known."""
    kind: str = event["type"]
    if kind not in EVENT_SHAPES:
        return kind
    return ERROR_DETAILS.unknown(event["details"]) if "details" in EVENT_SHAPES[kind] else None


def terminal_outcome(event: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome that `event` gives, or None where it is no terminal event that the engine can read."""
    status = TERMINAL.get(event["type"])
    if status is None:
        return None
    output = display_message(event["details"]) if status == FAILED else event[_OUTPUT[status]]
    return None if output is None else Outcome(status, output, event["timestamp_ms"])

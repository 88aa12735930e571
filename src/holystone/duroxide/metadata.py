"""What the events of a turn make of its execution's row.

Source in microsoft/duroxide: `compute_execution_metadata` in src/runtime/mod.rs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from holystone.duroxide.engine_version import engine_version
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import START, TERMINAL
from holystone.duroxide.outcome import terminal_outcome
from holystone.errors import InvalidTurnError


@dataclass(frozen=True)
class ExecutionMetadata:
    """What a turn makes of its execution's row; derived from the turn's events where it is not given.

    `status` and `output` belong to a terminal event; `pinned_version` is the engine version (major, minor, patch) that
    began the execution, by which turns are handed out to engines that can replay them. It is derived only where no
    metadata is given at all: None pins the execution to no version, so that any engine may take its turns.
    """

    status: str | None = None
    output: str | None = None
    orchestration_name: str | None = None
    orchestration_version: str | None = None
    parent_instance_id: str | None = None
    pinned_version: tuple[int, int, int] | None = None


def end_of(delta: Sequence[Event]) -> Event | None:
    """Return the event by which a turn's execution ends, None where it goes on."""
    return next((event for event in reversed(delta) if event.type in TERMINAL), None)


def metadata_of(delta: Sequence[Event]) -> ExecutionMetadata:
    """Return the row changes that the events demand, as `compute_execution_metadata` of the engine does.

    Of several ends the last one counts: a turn that breaks a limit may have ended the execution before.
    """
    start = next((event for event in delta if event.type == START), None)
    end = end_of(delta)
    outcome = (
        None if end is None else terminal_outcome({**end.payload, "type": end.type, "timestamp_ms": end.timestamp_ms})
    )
    if end is not None and outcome is None:
        raise InvalidTurnError(
            f"Event {end.event_id} of {end.instance_id!r}, execution {end.execution_id}, ends it without saying how."
        )
    return ExecutionMetadata(
        status=None if outcome is None else outcome.status,
        output=None if outcome is None else outcome.output,
        orchestration_name=None if start is None else start.payload["name"],
        orchestration_version=None if start is None else start.payload["version"],
        parent_instance_id=None if start is None else start.payload.get("parent_instance"),
        pinned_version=None if start is None else engine_version(start.duroxide_version),
    )

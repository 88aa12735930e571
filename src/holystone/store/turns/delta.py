"""What a turn's events say: which row changes they demand, and whether they can be appended at all."""

import re
from collections.abc import Sequence
from dataclasses import replace

from holystone.errors import InvalidTurnError
from holystone.store.event import Event
from holystone.store.events import TERMINAL, terminal_outcome
from holystone.store.turns.lease import ExecutionMetadata

AFTER_THE_END = ("ActivityCancelRequested",)
"""The types of events that may follow a terminal event, in its own turn: the engine cancels what is still running."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_MEND = "Mend the caller: nothing was written."


def require_sound(instance_id: str, execution_id: int, delta: Sequence[Event]) -> None:
    """Raise InvalidTurnError where the events cannot be appended to that execution, whatever it holds."""
    of = f"The turn of {instance_id!r}, execution {execution_id},"
    seen: set[int] = set()
    for event in delta:
        if not 1 <= event.event_id < 2**63:
            raise InvalidTurnError(
                f"{of} has an event with the id {event.event_id}; ids begin at 1 and end before 2^63.", _MEND
            )
        if event.event_id in seen:
            raise InvalidTurnError(f"{of} has two events with the id {event.event_id}.", _MEND)
        seen.add(event.event_id)
        if (event.instance_id, event.execution_id) != (instance_id, execution_id):
            raise InvalidTurnError(
                f"{of} has event {event.event_id} of {event.instance_id!r}, execution {event.execution_id}.", _MEND
            )
    terminal = [event for event in delta if event.type in TERMINAL]
    if len(terminal) > 1:
        raise InvalidTurnError(f"{of} has {len(terminal)} terminal events; an execution ends once.", _MEND)
    for end in terminal:
        late = [event for event in delta if event.event_id > end.event_id and event.type not in AFTER_THE_END]
        if late:
            raise InvalidTurnError(
                f"{of} has event {late[0].event_id}, a {late[0].type}, after event {end.event_id}, which ends it.",
                _MEND,
            )


def metadata_of(delta: Sequence[Event]) -> ExecutionMetadata:
    """Return the row changes that the events demand, as `compute_execution_metadata` of the engine does."""
    start = next((event for event in delta if event.type == "OrchestrationStarted"), None)
    end = next((event for event in delta if event.type in TERMINAL), None)
    outcome = (
        None if end is None else terminal_outcome({**end.payload, "type": end.type, "timestamp_ms": end.timestamp_ms})
    )
    if end is not None and outcome is None:
        raise InvalidTurnError(
            f"Event {end.event_id} of {end.instance_id!r}, execution {end.execution_id}, ends it without saying how.",
            _MEND,
        )
    return ExecutionMetadata(
        status=None if outcome is None else outcome.status,
        output=None if outcome is None else outcome.output,
        orchestration_name=None if start is None else start.payload["name"],
        orchestration_version=None if start is None else start.payload["version"],
        parent_instance_id=None if start is None else start.payload.get("parent_instance"),
        pinned_version=None if start is None else _parsed(start.duroxide_version),
    )


def agreed(given: ExecutionMetadata | None, delta: Sequence[Event], of: str) -> ExecutionMetadata:
    """Return the metadata to write: what the caller gave, and for the rest what its events say.

    InvalidTurnError where the one contradicts the other.
    """
    derived = metadata_of(delta)
    if given is None:
        return derived
    if given.status != derived.status or (derived.status is not None and given.output != derived.output):
        raise InvalidTurnError(
            f"{of} claims the status {given.status} with output {given.output!r}, and its events say {derived.status} "
            f"with output {derived.output!r}.",
            _MEND,
        )
    for name in ("orchestration_name", "orchestration_version", "parent_instance_id"):
        claimed, told = getattr(given, name), getattr(derived, name)
        if None not in (claimed, told) and claimed != told:
            raise InvalidTurnError(f"{of} claims the {name} {claimed!r}, and its events say {told!r}.", _MEND)
    missing = {name: value for name, value in vars(derived).items() if getattr(given, name) is None}
    return replace(given, **missing)


def _parsed(version: str) -> tuple[int, int, int] | None:
    found = _VERSION.match(version)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))

"""What a turn's events say: which row changes they demand, and whether they can be appended at all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from holystone.duroxide.engine_version import engine_version
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import EVENT_TYPES, POISON_EVENT_ID, START, TERMINAL
from holystone.duroxide.limits import is_over_limit
from holystone.duroxide.metadata import ExecutionMetadata, metadata_of
from holystone.duroxide.references import REFERS_TO
from holystone.errors import InvalidTurnError

AFTER_THE_END = ("ActivityCancelRequested",)
"""The types of events that may follow a terminal event, in its own turn: the engine cancels what is still running."""


def require_sound(instance_id: str, execution_id: int, delta: Sequence[Event]) -> None:
    """Raise InvalidTurnError where the events cannot be appended to that execution, whatever it holds."""
    of = f"The turn of {instance_id!r}, execution {execution_id},"
    seen: set[int] = set()
    for event in delta:
        if not 1 <= event.event_id < 2**63:
            raise InvalidTurnError(
                f"{of} has an event with the id {event.event_id}; ids begin at 1 and end before 2^63."
            )
        if event.event_id in seen:
            raise InvalidTurnError(f"{of} has two events with the id {event.event_id}.")
        seen.add(event.event_id)
        if (event.instance_id, event.execution_id) != (instance_id, execution_id):
            raise InvalidTurnError(
                f"{of} has event {event.event_id} of {event.instance_id!r}, execution {event.execution_id}."
            )
    _require_order(of, delta)
    terminal = [event for event in delta if event.type in TERMINAL]
    if len(terminal) > 1 and not _is_overruled(*terminal):
        raise InvalidTurnError(f"{of} has {len(terminal)} terminal events; an execution ends once.")
    for end in terminal[-1:]:
        late = [event for event in delta if event.event_id > end.event_id and event.type not in AFTER_THE_END]
        if late:
            raise InvalidTurnError(
                f"{of} has event {late[0].event_id}, a {late[0].type}, after event {end.event_id}, which ends it."
            )


def _is_overruled(end: Event, *later: Event) -> bool:
    """Return whether a turn ended its execution, and then broke a limit with that."""
    return [event.event_id for event in later] == [end.event_id + 1] and is_over_limit(later[0])


def _require_order(of: str, delta: Sequence[Event]) -> None:
    for earlier, event in pairwise(delta):
        if event.event_id != earlier.event_id + 1:
            raise InvalidTurnError(
                f"{of} has event {event.event_id} right after event {earlier.event_id}; events are numbered through."
            )


def require_start(of: str, delta: Sequence[Event]) -> None:
    """Raise InvalidTurnError where the execution does not begin with its start, or has another one later."""
    for event in delta:
        if (event.event_id == 1) != (event.type == START):
            raise InvalidTurnError(
                f"{of} has event {event.event_id}, of the type {event.type}; event 1 of an execution, and no other, is "
                f"{START}."
            )


def gives_up(delta: Sequence[Event]) -> bool:
    """Return whether a turn ends a history that cannot be read, at the id that the engine keeps for that."""
    return [(event.event_id, event.type) for event in delta] == [(POISON_EVENT_ID, "OrchestrationFailed")]


def require_cancelled(
    instance_id: str, execution_id: int, delta: Sequence[Event], cancelled: Collection[tuple[str, int, int]]
) -> None:
    """Raise InvalidTurnError where an activity is given up by an event and left in the queue, or the other way round.

    Without an event the execution would wait for ever for what nobody runs any more.
    """
    of = f"The turn of {instance_id!r}, execution {execution_id},"
    given_up = {
        (instance_id, execution_id, event.source_event_id) for event in delta if event.type == "ActivityCancelRequested"
    }
    if left := sorted(given_up.difference(cancelled), key=str):
        raise InvalidTurnError(f"{of} gives up activity {left[0][2]}, and leaves it in the queue.")
    if silent := sorted(set(cancelled).difference(given_up)):
        of_whom, execution, number = silent[0]
        raise InvalidTurnError(
            f"{of} takes activity {number} of {of_whom!r}, execution {execution}, out of the queue, and no event gives "
            "it up."
        )


def require_sources(of: str, delta: Sequence[Event], earlier: Mapping[int, Event | None]) -> None:
    """Raise InvalidTurnError where an event refers to none that it can refer to: the engine would fail the execution.

    `earlier` are events of the history, by their ids; None for one that cannot be read, and so may be any.
    """
    known: dict[int, Event | None] = dict(earlier)
    for event in delta:
        source, wanted = event.source_event_id, REFERS_TO.get(event.type)
        if wanted is None:
            if source is not None and event.type in EVENT_TYPES:
                raise InvalidTurnError(
                    f"{of} has event {event.event_id}, {event.type}, with event {source} as its source, and such an "
                    "event has none."
                )
        elif source not in known or ((found := known[source]) is not None and found.type != wanted):
            raise InvalidTurnError(
                f"{of} has event {event.event_id}, {event.type}, and its source is {source}, which is no {wanted} "
                "before it."
            )
        known[event.event_id] = event


def require_named(
    of: str,
    given: ExecutionMetadata | None,
    delta: Sequence[Event],
    name: str | None,
    version: str | None,
) -> None:
    """Raise InvalidTurnError where a turn that starts no execution would rename the instance, or pin another engine.

    `name` and `version` are what the instance has. The engine repeats them where it fails an execution as poison.
    """
    if given is None:
        return
    start = next((event for event in delta if event.type == START), None)
    pinned = given.pinned_version
    if pinned is not None and (start is None or pinned != engine_version(start.duroxide_version)):
        raise InvalidTurnError(f"{of} pins the engine {pinned}, and no event of it starts an execution with that.")
    if start is None:
        for what, claimed, stands in (
            ("name", given.orchestration_name, name),
            ("version", given.orchestration_version, version),
        ):
            if claimed not in (None, stands):
                raise InvalidTurnError(
                    f"{of} claims the orchestration_{what} {claimed!r}, which is {stands!r}, and starts no execution."
                )


def agreed(given: ExecutionMetadata | None, delta: Sequence[Event], of: str) -> ExecutionMetadata:
    """Return the metadata to write: what the caller gave, and for the rest what its events say.

    But for the version: a caller who gives metadata without one pins the execution to none, as the engine does.
    InvalidTurnError where the one contradicts the other.
    """
    derived = metadata_of(delta)
    if given is None:
        return derived
    if given.status != derived.status or (derived.status is not None and given.output != derived.output):
        raise InvalidTurnError(
            f"{of} claims the status {given.status} with output {given.output!r}, and its events say {derived.status} "
            f"with output {derived.output!r}."
        )
    for name in ("orchestration_name", "orchestration_version", "parent_instance_id"):
        claimed, told = getattr(given, name), getattr(derived, name)
        if None not in (claimed, told) and claimed != told:
            raise InvalidTurnError(f"{of} claims the {name} {claimed!r}, and its events say {told!r}.")
    missing = {name: value for name, value in vars(derived).items() if getattr(given, name) is None}
    return replace(given, **{**missing, "pinned_version": given.pinned_version})

"""Whether a turn is one that the engine could have taken: all reasons for which an ack is refused, in their order.

Nothing here asks the store: what decides is read before (`standing.py`), which `needed` and `needs_history` say.
"""

from collections.abc import Mapping, Sequence

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import CONTINUE, START, TERMINAL
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.duroxide.work_item import WorkItem
from holystone.errors import ExecutionEndedError, InvalidTurnError, UnknownInstanceError
from holystone.store.turns import queues
from holystone.store.turns.delta import (
    agreed,
    gives_up,
    require_cancelled,
    require_named,
    require_sound,
    require_sources,
    require_start,
)
from holystone.store.turns.outgoing import require_cancels, require_messages, require_told
from holystone.store.turns.taken import require_answers, require_begun, require_received, unanswered
from holystone.store.turns.turn import Ack, History, Turn


def validate(
    turn: Turn,
    ack: Ack,
    messages: Sequence[WorkItem],
    earlier: Mapping[int, Event | None],
    history: History | None,
    latest_ms: int,
) -> ExecutionMetadata:
    """Return what a turn makes of its execution's row: what its caller gave, and for the rest what its events say.

    `messages` are those that the turn takes away and that can be read, `earlier` the events of the history that
    `needed` asks for, None for one that cannot be read, `history` what there is of it where `needs_history`, and
    `latest_ms` the last moment at which a message can be due. InvalidTurnError where the turn contradicts itself or the
    store, UnknownInstanceError where there is no instance and it starts none, ExecutionEndedError where its execution
    has ended before.
    """
    of, delta = turn.title, ack.delta
    written = agreed(ack.metadata, delta, of)
    if turn.current_execution_id is None:
        _require_instance(turn, delta, written)
    require_sound(turn.instance_id, turn.execution_id, delta)
    _require_place(turn, delta)
    _require_appendable(turn, delta)
    require_start(of, delta)
    require_named(of, ack.metadata, delta, turn.orchestration_name, turn.orchestration_version)
    require_messages(of, delta, ack.worker_items, ack.orchestrator_items)
    if not gives_up(delta):
        _require_accord(turn, ack, messages, earlier)
    require_cancelled(turn.instance_id, turn.execution_id, delta, ack.cancelled_activities)
    _require_use(turn, messages, delta, history)
    queues.require_for_worker(ack.worker_items)
    queues.require_for_orchestrator(ack.orchestrator_items, latest_ms)
    return written


def needs_history(turn: Turn, messages: Sequence[WorkItem], delta: Sequence[Event]) -> bool:
    """Return whether the history decides if the turn may take its messages, as it does of few turns."""
    return not turn.begins_next and (
        _has_continuation(messages) or bool(unanswered(turn.execution_id, messages, delta))
    )


def _require_instance(turn: Turn, delta: Sequence[Event], metadata: ExecutionMetadata) -> None:
    """Raise where a turn would leave an execution without an instance, or an instance without a history."""
    named = None not in (metadata.orchestration_name, metadata.orchestration_version)
    if not named or not any(event.type == START for event in delta):
        raise UnknownInstanceError(
            f"There is no instance {turn.instance_id!r}, and the turn of its execution {turn.execution_id} does not "
            "start one.",
            "Begin the first turn of an instance with OrchestrationStarted: nothing was written.",
        )


def _require_place(turn: Turn, delta: Sequence[Event]) -> None:
    """Raise where the turn's execution is neither the current one nor the one to begin, or begins without an event."""
    current = turn.current_execution_id
    following = 1 if current is None else current + 1
    if turn.execution_id not in (current, following):
        stands = "which has yet to begin" if current is None else f"whose current execution is {current}"
        raise InvalidTurnError(f"{turn}, {stands}, cannot have a turn.")
    if turn.begins_next and not turn.goes_on:
        raise InvalidTurnError(f"{turn} cannot begin: execution {current} has not ended with {CONTINUE}.")
    if turn.status is None and not delta:
        raise InvalidTurnError(f"{turn} cannot begin without an event.")


def _require_appendable(turn: Turn, delta: Sequence[Event]) -> None:
    """Raise where the execution has ended, by its history, or where its last event is not followed by the new ones."""
    if not delta:
        return
    if turn.end_id is not None:
        raise ExecutionEndedError(
            f"{turn} has ended with event {turn.end_id}; nothing can be appended to it.",
            "Ack late messages of an ended execution with an empty delta.",
        )
    first, newest_id = delta[0].event_id, turn.newest_id
    if newest_id is None and first != 1:
        raise InvalidTurnError(f"{turn} has no event yet; event {first} cannot be its first.")
    if newest_id is not None and first != newest_id + 1 and not (gives_up(delta) and first > newest_id):
        raise InvalidTurnError(
            f"{turn} goes as far as the event with the id {newest_id} already; event {first} cannot be appended to it."
        )


def _require_accord(turn: Turn, ack: Ack, messages: Sequence[WorkItem], earlier: Mapping[int, Event | None]) -> None:
    """Raise where the events do not go with those before them, or with what the turn takes and tells others."""
    of, delta = turn.title, ack.delta
    readable = {number: event for number, event in earlier.items() if event is not None}
    require_sources(of, delta, earlier)
    require_received(of, turn.execution_id, messages, delta)
    start = readable.get(1, delta[0] if delta and delta[0].type == START else None)
    require_told(of, start, delta, ack.orchestrator_items, messages)
    require_cancels(of, readable, delta, ack.orchestrator_items)


def _require_use(turn: Turn, messages: Sequence[WorkItem], delta: Sequence[Event], history: History | None) -> None:
    """Raise where the turn takes messages away that the store still needs."""
    if turn.begins_next:
        require_begun(turn.title, messages, delta, begins=True)
    elif needs_history(turn, messages, delta):
        assert history is not None
        if _has_continuation(messages):
            if turn.current_execution_id is not None and _is_over(history):
                return
            require_begun(turn.title, messages, delta, begins=False)
        left = unanswered(turn.execution_id, messages, delta)
        if history.events is not None and not any(event.type in TERMINAL for event in history.events):
            require_answers(turn.title, left, history.events)


def _has_continuation(messages: Sequence[WorkItem]) -> bool:
    return any(message.kind == "ContinueAsNew" for message in messages)


def _is_over(history: History) -> bool:
    """Return whether the execution has ended for good, so that all that comes is dropped."""
    return any(type != CONTINUE for type in history.end_types)

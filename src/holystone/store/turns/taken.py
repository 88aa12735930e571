"""What becomes of the messages that a turn takes away: none that the store still needs may go without its events.

Sources in microsoft/duroxide: `WorkItemReader::from_messages` in src/runtime/state_helpers.rs and `prep_completions` in
src/runtime/replay_engine.rs make the events, `process_orchestration_item` in src/runtime/dispatchers/orchestration.rs
says when a turn has none.
"""

from collections.abc import Mapping, Sequence

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import START
from holystone.duroxide.replay import ANSWERED_BY
from holystone.duroxide.work_item import ANSWERS, WorkItem
from holystone.errors import InvalidTurnError

ANSWERED_IN: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    kind: (answer.execution_id, answer.event_id, tuple(sorted(ANSWERED_BY[answer.asked_by])))
    for kind, answer in ANSWERS.items()
}
"""Kind of an answer -> its fields that name execution and event, and the types of the events that it may become."""

_MEND = "Mend the caller, or abandon the turn: nothing was written."
_FAILED = "OrchestrationFailed"


def require_begun(of: str, messages: Sequence[WorkItem], delta: Sequence[Event], *, begins: bool) -> None:
    """Raise InvalidTurnError where a turn takes the message that begins the next execution and does not begin it.

    Or the other way round: where it begins the execution and leaves the message in the queue. `begins` says that the
    turn is the first of an execution that follows another one.
    """
    again = any(message.kind == "ContinueAsNew" for message in messages)
    if again and not (begins and delta and delta[0].type == START):
        raise InvalidTurnError(f"{of} takes the ContinueAsNew message and begins no execution with it.", _MEND)
    if begins and not again:
        raise InvalidTurnError(f"{of} begins an execution, and takes no ContinueAsNew message for it.", _MEND)


def unanswered(execution_id: int, messages: Sequence[WorkItem], delta: Sequence[Event]) -> list[WorkItem]:
    """Return the answers among a turn's messages that are for its execution and have become none of its events.

    A turn that fails the execution may leave them: it could not be replayed, or not be stored.
    """
    if any(event.type == _FAILED for event in delta):
        return []
    told = {(event.type, event.source_event_id) for event in delta}
    return [message for message in messages if _is_left(execution_id, message, told)]


def _is_left(execution_id: int, message: WorkItem, told: set[tuple[str, int | None]]) -> bool:
    if message.kind not in ANSWERED_IN:
        return False
    execution, number, kinds = ANSWERED_IN[message.kind]
    for_this = message.fields[execution] == execution_id
    return for_this and not any((kind, message.fields[number]) in told for kind in kinds)


def require_answers(of: str, left: Sequence[WorkItem], history: Sequence[Event]) -> None:
    """Raise InvalidTurnError where one of the answers was asked for by the history, and has not come before."""
    asked = {event.event_id for event in history}
    done = {(event.type, event.source_event_id) for event in history}
    for message in left:
        _, name, kinds = ANSWERED_IN[message.kind]
        number = message.fields[name]
        if number in asked and not any((kind, number) in done for kind in kinds):
            raise InvalidTurnError(
                f"{of} takes the {message.kind} for event {number}, and has no event that says so.", _MEND
            )


def require_received(of: str, execution_id: int, messages: Sequence[WorkItem], delta: Sequence[Event]) -> None:
    """Raise InvalidTurnError where an event says that an answer came, and none of the turn's messages brings it.

    The answer itself would come later, and find that it has come before.
    """
    brought = {
        (kind, message.fields[number])
        for message in messages
        if message.kind in ANSWERED_IN
        for execution, number, kinds in [ANSWERED_IN[message.kind]]
        if message.fields[execution] == execution_id
        for kind in kinds
        if kind.endswith(message.kind.removeprefix("SubOrch"))
    }
    for event in delta:
        if event.type in _ANSWERING and (event.type, event.source_event_id) not in brought:
            raise InvalidTurnError(
                f"{of} has event {event.event_id}, {event.type} of event {event.source_event_id}, and takes no message "
                "that says so.",
                _MEND,
            )


_ANSWERING = frozenset(kind for _, _, kinds in ANSWERED_IN.values() for kind in kinds)

"""The state of an instance, the sentence that a human would say of it, and what else is to be known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holystone.diagnosis.durations import from_now, since
from holystone.diagnosis.facts import Facts, lock_end
from holystone.diagnosis.model import Cause
from holystone.diagnosis.short_history import ShortEvent
from holystone.duroxide.engine_version import in_words
from holystone.duroxide.event_types import COMPLETED, CONTINUE
from holystone.duroxide.outcome import known_type, terminal_outcome, unknown_kind
from holystone.duroxide.releases import removed_in
from holystone.duroxide.work_item import STARTS
from holystone.printable import shown

ENDED, IN_TURN, DUE, WAITING, STUCK = "ended", "turn", "due", "waiting", "stuck"
UNREADABLE, NOT_STARTED, ORPHANED, UNKNOWN = "unreadable", "not-started", "orphaned", "unknown"
BLOCKED = "blocked"

_WAKES_NOBODY = frozenset({"kv_store", "parent", "df.instances"})
"""Parts that say nothing of what wakes the instance."""
_OUTPUT = 120
"""Characters of an output that are shown in a sentence."""
_LISTED = 3
"""Causes of which the sentence tells."""


@dataclass(frozen=True)
class Conclusion:
    """What is said of an instance."""

    state: str
    sentence: str
    notes: Sequence[str]


def conclusion(facts: Facts, causes: Sequence[Cause]) -> Conclusion:
    """Return what the facts of an instance, and what was found of causes, come to."""
    state, sentence = _state(facts, causes)
    return Conclusion(state, sentence, list(_notes(facts, causes, state)))


def _state(facts: Facts, causes: Sequence[Cause]) -> tuple[str, str]:
    unseen = {one.what for one in facts.unread} - _WAKES_NOBODY
    if unseen & {"instances", "executions", "history"}:
        return UNKNOWN, "It cannot be told: the instance or its history could not be read."
    history = facts.history
    if facts.row is None and not facts.has_begun:
        if not any(message.kind in STARTS for message in facts.messages):
            return _without_row(facts)
        turn = any(cause.kind == "turn" for cause in causes)
        state = IN_TURN if turn else BLOCKED if _is_blocked(causes) else NOT_STARTED
        return state, f"It has not begun. {_of(causes)}"
    if history is not None and history.end is not None:
        if history.end["type"] == CONTINUE:
            return _between(facts, causes, unseen)
        return ENDED, _ended(facts, history.end)
    if history is not None and history.unreadable is not None:
        fate = _fate(facts, history.unreadable)
        return UNREADABLE, f"Its history cannot be read at {_unreadable(history.unreadable)} {fate}"
    if history is None or not history.events:
        return _without_history(facts, causes, unseen)
    if _is_blocked(causes):
        return BLOCKED, _of(causes)
    return _running(facts, causes, unseen)


def _is_blocked(causes: Sequence[Cause]) -> bool:
    """Return whether something keeps whatever would wake it from being taken up."""
    hindered = any(cause.kind in ("pin", "blockade") for cause in causes)
    return hindered and not any(cause.wakes or cause.kind == "turn" for cause in causes)


def _running(facts: Facts, causes: Sequence[Cause], unseen: set[str]) -> tuple[str, str]:
    if any(cause.kind == "turn" for cause in causes):
        return IN_TURN, _of(causes)
    waking = [cause for cause in causes if cause.wakes]
    if waking:
        due = [cause for cause in waking if cause.table == "orchestrator_queue" and _is_due(facts, cause)]
        return (DUE if due else WAITING), _of(due or waking)
    if unseen or any(cause.wakes is None for cause in causes):
        return UNKNOWN, "What wakes it cannot be told. " + _of(causes)
    return STUCK, _stuck(facts, causes)


def _is_due(facts: Facts, cause: Cause) -> bool:
    return cause.due_ms is not None and cause.due_ms <= facts.now_ms


def _stuck(facts: Facts, causes: Sequence[Cause]) -> str:
    begin = f"No message at all will ever wake it{_since_last(facts)}."
    if not facts.waits_for and not facts.subscriptions and not causes:
        return f"{begin} It runs, has asked for nothing, and nothing is on its way."
    return f"{begin} {_of(causes)}".strip()


def _since_last(facts: Facts) -> str:
    last = facts.history.rows[-1].event if facts.history and facts.history.rows else None
    return "" if last is None else f", as it has been{since(last['timestamp_ms'], facts.now_ms)}"


def _of(causes: Sequence[Cause]) -> str:
    """Return the sentences of the first causes, and how many more there are."""
    said = " ".join(cause.sentence for cause in causes[:_LISTED])
    more = len(causes) - _LISTED
    return said if more <= 0 else f"{said} And {more} more."


def _between(facts: Facts, causes: Sequence[Cause], unseen: set[str]) -> tuple[str, str]:
    begin = f"Its execution {facts.execution_id} has continued as new{_since_end(facts)}."
    if any(cause.kind == "turn" for cause in causes):
        return IN_TURN, f"{begin} {_of(causes)}"
    if _is_blocked(causes):
        return BLOCKED, f"{begin} {_of(causes)}"
    waking = [cause for cause in causes if cause.wakes]
    if waking:
        return (DUE if _is_due(facts, waking[0]) else WAITING), f"{begin} {_of(waking)}"
    if "orchestrator_queue" in unseen or any(cause.wakes is None for cause in causes):
        return UNKNOWN, f"{begin} Whether a message begins the next execution cannot be told. {_of(causes)}".strip()
    gone = "The message that begins the next execution is gone: no message at all will ever wake it."
    return STUCK, f"{begin} {gone} {_of(causes)}".strip()


def _since_end(facts: Facts) -> str:
    end = None if facts.history is None else facts.history.end
    return "" if end is None else f" {from_now(end['timestamp_ms'], facts.now_ms)}"


def _ended(facts: Facts, end: Mapping[str, Any]) -> str:
    when = from_now(end["timestamp_ms"], facts.now_ms)
    outcome = terminal_outcome(end)
    if outcome is None:
        return f"It has failed {when}, in a way that is not known here: {known_type(end)}."
    said = shown(outcome.output or "", _OUTPUT)
    if outcome.status == COMPLETED:
        return f"It has completed {when}, with the output {said}."
    match end["details"]:
        case {"Application": {"kind": {"Cancelled": {"reason": reason}}}}:
            return f"It was cancelled {when}: {shown(reason, _OUTPUT)}."
        case {"Poison": {"attempt_count": attempts, "max_attempts": most}}:
            return f"The engine has failed it as poisoned {when}, after {attempts} attempts (at most {most}): {said}."
        case _:
            return f"It has failed {when}: {said}."


def _unreadable(row: ShortEvent) -> str:
    """Return which event the engine cannot read, and why."""
    why = row.fault or f"{row.type} is not known here"
    return f"event {row.event_id}: {shown(why, 200)}."


def _fate(facts: Facts, row: ShortEvent) -> str:
    """Return what becomes of an instance that runs, and has an event that cannot be read."""
    unknown = None if row.event is None else unknown_kind(row.event)
    if unknown is not None:
        removed = removed_in(unknown)
        if removed is None:
            return "A newer engine may go on with it."
        return f"Engines before {in_words(removed)} go on with it; later ones fail it with its next message."
    waits = "" if facts.messages else " No message waits."
    if facts.unreadable_halts:
        return f"No fetch survives it: its next message halts the dispatchers of the whole store.{waits}"
    return f"The engine takes no turn on it, and fails it with its next message, after ten attempts.{waits}"


def _without_row(facts: Facts) -> tuple[str, str]:
    parts = {
        "an execution": facts.execution_status is not None,
        "messages": bool(facts.messages),
        "activities": bool(facts.activities),
        "a lock": facts.lock is not None,
    }
    left = ", ".join(name for name, there in parts.items() if there)
    return ORPHANED, f"The engine has no such instance, and nothing starts it. What is left of it: {left or 'keys'}."


def _without_history(facts: Facts, causes: Sequence[Cause], unseen: set[str]) -> tuple[str, str]:
    if any(cause.kind == "turn" for cause in causes):
        return IN_TURN, _of(causes)
    waking = [cause for cause in causes if cause.wakes]
    begin = f"Its current execution {facts.execution_id} has no history that begins."
    if waking:
        return (DUE if _is_due(facts, waking[0]) else WAITING), f"{begin} {_of(waking)}"
    if unseen or any(cause.wakes is None for cause in causes):
        return UNKNOWN, f"{begin} What wakes it cannot be told. {_of(causes)}".strip()
    return STUCK, f"{begin} No message at all will ever wake it. {_of(causes)}".strip()


def _notes(facts: Facts, causes: Sequence[Cause], state: str) -> Iterator[str]:
    """Yield what else is to be known, a sentence each."""
    outcome = None if facts.history is None else facts.history.outcome
    status = facts.execution_status
    unreadable = None if facts.history is None else facts.history.unreadable
    if unreadable is not None and state != UNREADABLE:
        yield f"The engine cannot read {_unreadable(unreadable)} It refuses to tell the status and the history."
    if facts.row is None and facts.has_begun:
        yield "It has no row in instances: no list of the engine has it, but its history does, by which it goes on."
    if outcome is not None and status is not None and outcome.status != status:
        yield f"Its row says {shown(str(status))}, its history says {outcome.status}."
    if facts.parent is not None and facts.parent_is_there is False:
        answer = " Its answer will go to nobody." if state != ENDED else ""
        yield f"Its parent {shown(facts.parent)} was deleted.{answer}"
    if state == ENDED and facts.messages:
        number = len(facts.messages)
        messages = "A message waits" if number == 1 else f"{number:,} messages wait"
        yield f"{messages} for it, which the engine drops when due: it has ended."
    if state not in (ENDED, STUCK):
        yield from (cause.sentence for cause in causes if cause.kind == "lost")
    if facts.lock is not None and not facts.is_in_turn:
        end = lock_end(facts.lock["locked_until"])
        yield (
            f"A dispatcher had it in a turn and is gone: its lock ended {from_now(end, facts.now_ms)}. Any other one "
            "takes it over."
        )

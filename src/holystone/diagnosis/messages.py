"""What the messages of an instance are to it, and who has it in a turn.

Sources in microsoft/duroxide: `fetch_orchestration_item` of the providers, by which all messages of an instance that
are due are taken at once; `prep_completions` in src/runtime/replay_engine.rs, by which one takes the execution on or is
dropped; src/runtime/dispatchers/orchestration.rs, which gives a turn back whose orchestration is not registered.
"""

from collections.abc import Iterator
from typing import Any

from holystone.diagnosis.durations import duration, from_now
from holystone.diagnosis.facts import NEVER, Facts, Queued, lock_end
from holystone.diagnosis.model import Cause
from holystone.duroxide.event_types import CONTINUE
from holystone.duroxide.work_item import ANSWERS, STARTS, WORK_ITEM_SHAPES, WorkItem
from holystone.printable import shown

Effect = tuple[bool | None, str]
"""Whether a message takes the instance on, None where that cannot be told; and the beginning of a sentence about it."""

_DROPS = "The engine drops a message that waits:"
_SOON_MS = 60_000
"""As long as a message may be due before it is said that nobody has taken it."""


def of_turn(facts: Facts) -> Iterator[Cause]:
    """Yield the turn that the instance is in, as a cause."""
    if facts.lock is None or not facts.is_in_turn:
        return
    end, begun = lock_end(facts.lock["locked_until"]), facts.lock["locked_at"]
    about: dict[str, Any] = {"by": "dispatcher", "table": "instance_locks"}
    about["since_ms"] = begun if isinstance(begun, int) else None
    if end == NEVER:
        sentence = "It is locked, and the end of the lock is no time that ever comes: no dispatcher can take it."
        yield Cause(kind="lock", sentence=sentence, wakes=False, **about)
        return
    took = "" if about["since_ms"] is None else f" {from_now(begun, facts.now_ms)}"
    rest = "unless it dies; then another one takes it over"
    sentence = f"A dispatcher took it{took}, and has it for another {duration(end - facts.now_ms)} at most, {rest}."
    yield Cause(kind="turn", sentence=sentence, wakes=None, due_ms=end, **about)


def of_message(facts: Facts, message: Queued) -> Cause:
    """Return what a message is to the instance."""
    wakes, what = _effect(facts, message)
    due = message.due_ms
    if facts.lock is not None:
        due = max(due, lock_end(facts.lock["locked_until"]))
    answered = facts.answers(message)
    return Cause(
        kind="timer" if message.kind == "TimerFired" else "message",
        sentence=f"{what}." if wakes is False else f"{what}{_when(facts, message, due)}",
        wakes=False if due >= NEVER else wakes,
        by="dispatcher",
        name=None if message.item is None else message.item.fields.get("name", message.kind),
        since_ms=message.created_ms,
        due_ms=None if due >= NEVER else due,
        execution_id=facts.execution_id,
        event_id=None if answered is None else answered[1],
        attempts=message.attempts if isinstance(message.attempts, int) else None,
        table="orchestrator_queue",
        row_id=message.row_id,
    )


def _effect(facts: Facts, message: Queued) -> Effect:
    """Return whether a message takes the instance on, and the beginning of a sentence about it."""
    item = message.item
    if item is None:
        return False, f"A message cannot be read by the engine ({shown(message.fault or '', 200)})"
    if item.kind not in WORK_ITEM_SHAPES or item.unknown is not None:
        return None, f"A message of a kind that is not known here ({shown(item.kind)}) waits"
    if facts.has_begun is False:
        return _before(facts, item)
    history = facts.history
    if history is None:
        return None, f"A message {item.kind} waits"
    if history.end is not None:
        ended = False, f"{_DROPS} {item.kind}: it has ended"
        return _between(facts, item) if history.end["type"] == CONTINUE else ended
    if history.events is None:
        if history.unreadable is not None and history.unreadable.fault is None:
            return None, f"A message {item.kind} waits"
        return True, f"A message {item.kind} waits, and with it the engine fails the instance, after ten attempts"
    return _to_running(facts, message, item)


def _before(facts: Facts, item: WorkItem) -> Effect:
    if item.kind in STARTS:
        return True, "The message that starts it waits"
    if any(one.kind in STARTS for one in facts.messages):
        return None, f"A message {item.kind} waits as well"
    return False, f"A message {item.kind} is for an instance that nothing starts"


def _between(facts: Facts, item: WorkItem) -> Effect:
    """Return what a message is to an instance that has continued as new, and has not begun again."""
    if item.kind == "ContinueAsNew":
        return True, "The message that begins its next execution waits"
    if any(one.kind == "ContinueAsNew" for one in facts.messages):
        return None, f"A message {item.kind} waits as well"
    becomes = "an engine before 0.1.30 drops it, a later one fails the instance with it after ten attempts"
    return None, f"A message {item.kind} waits, which does not begin it: {becomes}"


def _to_running(facts: Facts, message: Queued, item: WorkItem) -> Effect:
    if item.kind in ANSWERS:
        return _answer(facts, message, item)
    fields = item.fields
    match item.kind:
        case "CancelInstance":
            return True, f"Its cancellation was asked for ({shown(fields['reason'])}), which ends it"
        case "ExternalRaised":
            awaited = {one["name"] for one in facts.subscriptions if one["type"] == "ExternalSubscribed"}
            if fields["name"] in awaited:
                return True, f"The event {shown(fields['name'])} was sent"
            return False, f"The event {shown(fields['name'])} was sent, for which it does not wait: it waits on"
        case "QueueMessage":
            return True, f"A letter for its queue {shown(fields['name'])} was sent"
        case kind:
            # Up to 0.1.30 the engine takes a turn with it all the same, of the orchestration that it names.
            return None, f"A message {kind} waits though it runs already: the newest engine drops it"


def _answer(facts: Facts, message: Queued, item: WorkItem) -> Effect:
    answered = facts.answers(message)
    if answered is None:
        return False, f"{_DROPS} {item.kind}: it is for another execution"
    event = next((one for one in facts.waits_for if (one["type"], one["event_id"]) == answered), None)
    if event is None:
        return _unawaited(facts, item, answered)
    what = {
        "ActivityScheduled": f"The answer of its activity {shown(event.get('name', ''))} is there",
        "TimerCreated": "Its timer",
        "SubOrchestrationScheduled": f"The answer of its child {shown(str(event.get('instance', '')))} is there",
    }[answered[0]]
    return True, what


def _unawaited(facts: Facts, item: WorkItem, answered: tuple[str, int]) -> Effect:
    """Return what an answer is that nothing waits for: the engine does not drop each of them."""
    history = facts.history
    asked = any((row.type, row.event_id) == answered for row in (() if history is None else history.rows))
    if not asked:
        return None, f"A message {item.kind} answers what it has not asked for, with which the engine may fail it"
    if item.kind == "TimerFired":
        return False, f"{_DROPS} {item.kind}: it does not wait for that any more"
    return None, f"A message {item.kind} answers what it has given up, or got already"


def _when(facts: Facts, message: Queued, due: int) -> str:
    """Return the rest of the sentence: when a message is taken, or why it is not."""
    now, is_timer = facts.now_ms, message.kind == "TimerFired"
    if due >= NEVER:
        return ", and has a time that never comes: nobody will take it."
    if facts.is_in_turn:
        return " fires after this turn." if is_timer else ", and is taken in this turn or the next one."
    back = _given_back(facts, message)
    if due > now:
        return f" fires {from_now(due, now)}.{back}" if is_timer else f", and is due {from_now(due, now)}.{back}"
    if now - due > _SOON_MS:
        idle = "" if back else " Is an engine at work on the store?"
        return f", due {from_now(due, now)}, and no dispatcher has taken it.{idle}{back}"
    return f", and is due.{back}"


def _given_back(facts: Facts, message: Queued) -> str:
    """Return the sentence that a message was taken before, which ended without a turn; nothing where it was not."""
    if not isinstance(message.attempts, int) or message.attempts < 1 or facts.lock is not None:
        return ""
    times = "once" if message.attempts == 1 else f"{message.attempts} times"
    after = "after ten the engine fails it as poisoned"
    return f" It was taken {times} and given back ({after}): {_orchestration(facts, message)} registered there?"


def _orchestration(facts: Facts, message: Queued) -> str:
    """Return `is NAME VERSION`, of what the next turn runs."""
    name = version = None
    if message.item is not None and message.item.kind in STARTS:
        name, version = message.item.fields["orchestration"], message.item.fields["version"]
    elif facts.row is not None:
        name, version = facts.row["orchestration_name"], facts.row["orchestration_version"]
    return " ".join(["is", *(shown(str(one)) for one in (name, version) if one)])

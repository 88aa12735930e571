"""What keeps an instance where it is, and what takes it on: from its facts, one cause each.

Sources in microsoft/duroxide: `fetch_orchestration_item` and `fetch_work_item` of the providers, by which a message is
taken; src/runtime/replay_engine.rs, by which it takes the execution on or is dropped.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from holystone.diagnosis.durations import duration, from_now, since
from holystone.diagnosis.facts import NEVER, Facts, Queued, lock_end
from holystone.diagnosis.model import Cause
from holystone.duroxide.references import child_instance_id
from holystone.duroxide.work_item import ANSWERS, STARTS, WORK_ITEM_SHAPES
from holystone.printable import shown

_DISPATCHER, _WORKER, _CLIENT, _CHILD = "dispatcher", "worker", "client", "child"
_SOON_MS = 60_000
"""As long as a message may be due before it is said that nobody has taken it."""
_LOST = {
    "activity-lost": "Its activity {name} is in no queue, and no answer of it either: it will never answer.",
    "timer-lost": "The message that its timer would fire with is gone: it will never fire.",
    "child-lost": "Its child {name} is not there, and nothing starts it: it will never answer.",
    "child-silent": "Its child {name} has ended, or was started by somebody else, and has not answered: it never will.",
    "child-unstored": "Its child {name} could not be stored and was failed, of which no parent is told.",
    "child-broke-limit": "Its child {name} broke a limit of the engine, which then drops its answer.",
    "child-forgot-parent": "Its child {name} has ended without knowing its parent any more, and never answers.",
}
"""Why an answer never comes -> the sentence."""


def causes(facts: Facts) -> list[Cause]:
    """Return what there is of causes, what comes soonest first."""
    found = [*_of_turn(facts), *(_message(facts, one) for one in facts.messages), *_open(facts)]
    return sorted(found, key=lambda cause: (cause.wakes is False, cause.due_ms or 0))


def _of_turn(facts: Facts) -> Iterator[Cause]:
    if facts.lock is None or not facts.is_in_turn:
        return
    end, begun = lock_end(facts.lock["locked_until"]), facts.lock["locked_at"]
    begun = begun if isinstance(begun, int) else None
    if end == NEVER:
        sentence = "It is locked, and the end of the lock is no time that ever comes: no dispatcher can take it."
        yield Cause(kind="lock", sentence=sentence, wakes=False, table="instance_locks")
        return
    took = "" if begun is None else f" {from_now(begun, facts.now_ms)}"
    sentence = f"A dispatcher took it{took}, and has it until {from_now(end, facts.now_ms)} at the latest."
    sentence = sentence.replace("until in ", "for another ")
    yield Cause(
        kind="turn", sentence=sentence, wakes=None, by=_DISPATCHER, since_ms=begun, due_ms=end, table="instance_locks"
    )


def _message(facts: Facts, message: Queued) -> Cause:
    """Return what a message is to the instance."""
    is_timer = message.kind == "TimerFired"
    wakes, what = _effect(facts, message)
    due = message.due_ms
    if facts.lock is not None:
        due = max(due, lock_end(facts.lock["locked_until"]))
    answered = facts.answers(message)
    cause = Cause(
        kind="timer" if is_timer else "message",
        sentence="",
        wakes=wakes if due < NEVER or wakes is False else False,
        by=_DISPATCHER,
        name=None if message.item is None else message.item.fields.get("name", message.kind),
        since_ms=message.created_ms,
        due_ms=None if due >= NEVER else due,
        execution_id=facts.execution_id,
        event_id=None if answered is None else answered[1],
        table="orchestrator_queue",
        row_id=message.row_id,
    )
    cause.sentence = f"{what}{_when(facts, message, due, is_timer=is_timer)}"
    return cause


def _effect(facts: Facts, message: Queued) -> tuple[bool | None, str]:
    """Return whether a message takes the instance on, and the beginning of a sentence about it."""
    item = message.item
    if item is None:
        return False, f"A message cannot be read by the engine ({shown(message.fault or '', 200)})"
    if item.kind not in WORK_ITEM_SHAPES or item.unknown is not None:
        return None, f"A message of a kind that is not known here ({shown(item.kind)})"
    runs = facts.history is not None and bool(facts.history.events) and facts.history.end is None
    if item.kind in ANSWERS:
        return _answer(facts, message, runs=runs)
    if item.kind in STARTS:
        return _start(facts, item.kind)
    fields, when_it_runs = item.fields, runs or None
    match item.kind:
        case "CancelInstance":
            return when_it_runs, f"Its cancellation was asked for ({shown(fields['reason'])}), which ends it"
        case "ExternalRaised":
            named = {one["name"] for one in facts.subscriptions if one["type"] == "ExternalSubscribed"}
            if runs and fields["name"] not in named:
                return False, f"The event {shown(fields['name'])} was sent, for which it does not wait,"
            return when_it_runs, f"The event {shown(fields['name'])} was sent"
        case _:
            return when_it_runs, f"A letter for its queue {shown(fields['name'])} was sent"


def _start(facts: Facts, kind: str) -> tuple[bool, str]:
    if kind == "ContinueAsNew":
        ended = facts.history is not None and facts.history.end is not None
        return ended, "The message that begins its next execution waits"
    begins = facts.history is None or not facts.history.rows
    return begins, "The message that starts it waits" if begins else "A message that starts it once more waits"


def _answer(facts: Facts, message: Queued, *, runs: bool) -> tuple[bool | None, str]:
    assert message.item is not None
    kind, answered = message.item.kind, facts.answers(message)
    if not runs or answered is None:
        return False, f"A message {kind} for what it does not wait for any more"
    event = next((one for one in facts.waits_for if (one["type"], one["event_id"]) == answered), None)
    if event is None:
        return False, f"A message {kind} for what it has given up or got already"
    what = {
        "ActivityScheduled": f"The answer of its activity {shown(event.get('name', ''))}",
        "TimerCreated": "Its timer",
        "SubOrchestrationScheduled": f"The answer of its child {shown(str(event.get('instance', '')))}",
    }[answered[0]]
    return True, what


def _when(facts: Facts, message: Queued, due: int, *, is_timer: bool) -> str:
    """Return the rest of the sentence: when a message is taken, or why it is not."""
    now = facts.now_ms
    if message.item is None:
        return ": each fetch of it fails."
    if due >= NEVER:
        return ", and has a time that never comes: nobody will take it."
    attempts = message.attempts if isinstance(message.attempts, int) else 0
    tried = f", after {attempts} attempts" if attempts > 1 else ", after one attempt" if attempts else ""
    if due > now:
        if is_timer:
            return f" fires {from_now(due, now)}."
        if facts.is_in_turn:
            return ", and is taken in this turn or the next one."
        back = ": a dispatcher has given it back" if attempts else ""
        return f"; it is due {from_now(due, now)}{tried}{back}."
    if is_timer:
        return f" was due {from_now(due, now)}, and no dispatcher has taken it{tried}."
    if now - due > _SOON_MS:
        return f", due {from_now(due, now)}, and no dispatcher has taken it{tried}: is an engine at work on the store?"
    return f", and is due{tried}."


def _open(facts: Facts) -> Iterator[Cause]:
    """Yield what an execution that runs waits for, beyond messages that are there."""
    if facts.history is None or facts.history.events is None or facts.history.end is not None:
        return
    answered = {one for message in facts.messages if (one := facts.answers(message)) is not None}
    for event in facts.waits_for:
        key = (event["type"], event["event_id"])
        if key in answered:
            continue
        if event["event_id"] in facts.lost:
            yield _lost(facts, event)
        elif event["type"] == "ActivityScheduled":
            yield _activity(facts, event)
        elif event["type"] == "SubOrchestrationScheduled":
            yield _child(facts, event)
    for event in facts.subscriptions:
        yield _subscription(facts, event)


def _of_event(facts: Facts, event: Mapping[str, Any], **more: Any) -> Cause:
    return Cause(since_ms=event["timestamp_ms"], execution_id=facts.execution_id, event_id=event["event_id"], **more)


def _lost(facts: Facts, event: Mapping[str, Any]) -> Cause:
    name = event.get("name") or ""
    child = None
    if event["type"] == "SubOrchestrationScheduled":
        child = name = child_instance_id(facts.instance_id, event["instance"])
    sentence = _LOST[facts.lost[event["event_id"]]].format(name=shown(name))
    return _of_event(facts, event, kind="lost", sentence=sentence, wakes=False, name=name or None, child=child)


def _subscription(facts: Facts, event: Mapping[str, Any]) -> Cause:
    name, ago = event["name"], since(event["timestamp_ms"], facts.now_ms)
    is_queue = event["type"] == "ExternalSubscribedPersistent"
    kind = "QueueMessage" if is_queue else "ExternalRaised"
    what = f"a letter in its queue {shown(name)}" if is_queue else f"the event {shown(name)}"
    sent = any(one.item and one.kind == kind and one.item.fields.get("name") == name for one in facts.messages)
    sentence = f"It waits for {what}{ago}, " + ("which was sent." if sent else "and nobody has sent it.")
    return _of_event(
        facts, event, kind="queue" if is_queue else "event", sentence=sentence, wakes=True, by=_CLIENT, name=name
    )


def _activity(facts: Facts, event: Mapping[str, Any]) -> Cause:
    row = next((one for one in facts.activities if _is_of(facts, one, event["event_id"])), None)
    begin = f"Its activity {shown(event['name'])}"
    cause = _of_event(facts, event, kind="activity", sentence="", wakes=True, by=_WORKER, name=event["name"])
    if row is None:
        cause.sentence, cause.wakes = f"{begin} is in no row of worker_queue that was found.", None
        return cause
    cause.table, cause.row_id = "worker_queue", row.row_id
    session = facts.sessions.get(row.session_id or "")
    cause.due_ms = max(row.due_ms, 0 if session is None else lock_end(session["locked_until"]))
    if cause.due_ms >= NEVER:
        cause.due_ms, cause.wakes = None, False
        cause.sentence = f"{begin} has a lock or a time that never ends: no worker will take it."
    elif row.item is None:
        cause.wakes, cause.sentence = False, f"{begin} cannot be read by a worker: {shown(row.fault or '', 200)}."
    else:
        cause.sentence = f"{begin} {_worker(facts, row, event['timestamp_ms'])}"
    return cause


def _is_of(facts: Facts, row: Queued, event_id: int) -> bool:
    """Return whether a row of worker_queue is of an activity of the current execution: by what it holds, if it can."""
    if row.item is None:
        return row.identity == (facts.instance_id, facts.execution_id, event_id)
    fields = row.item.fields
    named = tuple(fields.get(name) for name in ("instance", "execution_id", "id"))
    return row.item.is_for_worker and named == (facts.instance_id, facts.execution_id, event_id)


def _worker(facts: Facts, row: Queued, asked_ms: int) -> str:
    """Return the rest of a sentence about an activity: which worker has it or will take it."""
    now, lease, tag = facts.now_ms, row.locked_until_ms, _with_tag(row)
    if lease is not None and lease > now:
        rest = "unless it is renewed; then another one takes it"
        return f"is in the hands of a worker, whose lease ends {from_now(lease, now)} {rest}."
    if row.put_off_ms > now:
        tried = f"was given back after {_attempts(row)}, and is due {from_now(row.put_off_ms, now)}"
        return f"{tried}{tag}: is an activity of this name registered there?"
    session = facts.sessions.get(row.session_id or "")
    if session is not None and (held := lock_end(session["locked_until"])) > now:
        owner, named = shown(session["worker_id"]), shown(row.session_id or "")
        rest = f"which has the session {named} for another {duration(held - now)} unless that is renewed"
        return f"is for the worker {owner}, {rest}; then any other one takes it."
    if lease is not None:
        died = f"was taken by a worker whose lease ended {from_now(lease, now)}: it died, or lost the store"
        return f"{died}. The next worker that asks{tag} takes it once more."
    return f"waits for a worker{tag}{since(asked_ms, now)}."


def _attempts(row: Queued) -> str:
    return "one attempt" if row.attempts == 1 else f"{row.attempts} attempts"


def _with_tag(row: Queued) -> str:
    return "" if row.tag is None else f" with the tag {shown(row.tag)}"


def _child(facts: Facts, event: Mapping[str, Any]) -> Cause:
    child = child_instance_id(facts.instance_id, event["instance"])
    sentence = f"It waits for its child {shown(child)}{since(event['timestamp_ms'], facts.now_ms)}."
    return _of_event(
        facts, event, kind="child", sentence=sentence, wakes=True, by=_CHILD, name=event["name"], child=child
    )

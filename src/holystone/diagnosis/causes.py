"""What keeps an instance where it is, and what takes it on: from its facts, one cause each.

Sources in microsoft/duroxide: `fetch_work_item` of the providers, by which an activity is taken, and
src/runtime/replay_engine.rs, by which an answer takes the execution on.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from holystone.diagnosis.durations import duration, from_now, since
from holystone.diagnosis.facts import NEVER, Facts, Queued, lock_end
from holystone.diagnosis.hindrances import hindrances
from holystone.diagnosis.messages import of_message, of_turn
from holystone.diagnosis.model import Cause
from holystone.duroxide.references import child_instance_id
from holystone.printable import shown

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
    found = [*of_turn(facts), *(of_message(facts, one) for one in facts.messages), *_open(facts)]
    found.sort(key=lambda cause: (cause.wakes is False, cause.due_ms or 0))
    return [*hindrances(facts, found), *found]


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
        facts, event, kind="queue" if is_queue else "event", sentence=sentence, wakes=True, by="client", name=name
    )


def _activity(facts: Facts, event: Mapping[str, Any]) -> Cause:
    row = next((one for one in facts.activities if _is_of(facts, one, event["event_id"])), None)
    begin = f"Its activity {shown(event['name'])}"
    cause = _of_event(facts, event, kind="activity", sentence="", wakes=True, by="worker", name=event["name"])
    if row is None:
        cause.sentence, cause.wakes = f"{begin} is in no row of worker_queue that was found.", None
        return cause
    cause.table, cause.row_id = "worker_queue", row.row_id
    cause.attempts = row.attempts if isinstance(row.attempts, int) else None
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
    session = facts.sessions.get(row.session_id or "")
    if session is not None and (held := lock_end(session["locked_until"])) > now:
        owner, named = shown(str(session["worker_id"])), shown(row.session_id or "")
        rest = f"which has the session {named} for another {duration(held - now)} unless that is renewed"
        return f"is for the worker {owner}, {rest}; then any other one takes it."
    if lease is not None:
        died = f"was taken by a worker whose lease ended {from_now(lease, now)}: it died, or lost the store"
        return f"{died}. The next worker that asks{tag} takes it once more."
    due = f", and is due {from_now(row.put_off_ms, now)}" if row.put_off_ms > now else ""
    return f"waits for a worker{tag}{since(asked_ms, now)}{due}.{_given_back(row)}"


def _given_back(row: Queued) -> str:
    """Return the sentence that a worker has had an activity and gave it back; nothing where none has."""
    if not isinstance(row.attempts, int) or row.attempts < 1:
        return ""
    times = "once" if row.attempts == 1 else f"{row.attempts} times"
    after = "after ten the engine fails it as poisoned"
    return f" It was taken {times} and given back ({after}): is an activity of this name registered there?"


def _with_tag(row: Queued) -> str:
    return "" if row.tag is None else f" with the tag {shown(str(row.tag))}"


def _child(facts: Facts, event: Mapping[str, Any]) -> Cause:
    child = child_instance_id(facts.instance_id, event["instance"])
    sentence = f"It waits for its child {shown(child)}{since(event['timestamp_ms'], facts.now_ms)}."
    return _of_event(
        facts, event, kind="child", sentence=sentence, wakes=True, by="child", name=event["name"], child=child
    )

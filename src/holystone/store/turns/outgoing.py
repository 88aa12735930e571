"""What a turn sends goes with its events: each message with the event that asks for it, and the other way round.

Sources in microsoft/duroxide: `run_single_execution_atomic` in src/runtime/execution.rs makes both together; an
execution that ends sends nothing any more of what it had just asked for, but what it starts on its own
(`enqueue_detached_from_pending`) and what tells its parent. `terminal_collision_notifications` in
src/runtime/dispatchers/orchestration.rs answers to those who would start a child under an id that is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import CONTINUE, START
from holystone.duroxide.limits import is_over_limit
from holystone.duroxide.metadata import end_of
from holystone.duroxide.references import child_instance_id
from holystone.duroxide.work_item import WorkItem, answers_to
from holystone.errors import InvalidTurnError

Asked = tuple[str, Mapping[str, object]]
"""Kind of a message, and those of its fields that an event decides."""

_ANSWERS = answers_to("SubOrchestrationScheduled")
_CANCEL = "CancelInstance"
_STARTED_ALONE = "OrchestrationChained"
_NEVER_SENT = (*answers_to("ActivityScheduled"), "ExternalRaised", "QueueMessage")
"""Kinds of messages that workers and clients send, and no turn."""
_GIVES_UP_CHILD = "SubOrchestrationCancelRequested"


def asked_for(event: Event) -> Asked | None:
    """Return the message that an event needs beside it in the same turn, None for one that needs none."""
    payload = event.payload
    owned = {"instance": event.instance_id, "execution_id": event.execution_id, "id": event.event_id}
    match event.type:
        case "ActivityScheduled":
            said = {name: payload.get(name) for name in ("name", "input", "session_id", "tag")}
            return "ActivityExecute", {**owned, **said}
        case "TimerCreated":
            return "TimerFired", {**owned, "fire_at_ms": payload["fire_at_ms"]}
        case "SubOrchestrationScheduled":
            parent = {"parent_instance": event.instance_id, "parent_id": event.event_id}
            child = child_instance_id(event.instance_id, payload["instance"])
            return "StartOrchestration", {**_start(payload), **parent, "instance": child}
        case "OrchestrationChained":
            return "StartOrchestration", {**_start(payload), "parent_instance": None}
        case "OrchestrationContinuedAsNew":
            return "ContinueAsNew", {"instance": event.instance_id, "input": payload["input"]}
    return None


def _start(payload: Mapping[str, Any]) -> dict[str, object]:
    return {"orchestration": payload["name"], "input": payload["input"], "instance": payload["instance"]}


def require_messages(
    of: str, delta: Sequence[Event], worker_items: Iterable[WorkItem], orchestrator_items: Iterable[WorkItem]
) -> None:
    """Raise InvalidTurnError where a message lacks the event that asks for it, or an event its message.

    What tells the parent and cancels children is left to `require_told` and `require_cancels`, and what is in the wrong
    queue to `queues`.
    """
    left = [item for item in worker_items if item.is_for_worker]
    left += [item for item in orchestrator_items if not item.is_for_worker and item.kind not in (*_ANSWERS, _CANCEL)]
    end = end_of(delta)
    for event in delta:
        asked = asked_for(event)
        if asked is None or (end is not None and event is not end and event.type != _STARTED_ALONE):
            continue
        kind, said = asked
        found = next((item for item in left if item.kind == kind and _says(item, said)), None)
        if found is not None:
            left.remove(found)
        elif end is None or event is end:
            raise InvalidTurnError(f"{of} has event {event.event_id}, {event.type}, and no {kind} that goes with it.")
    for item in left:
        if item.kind in _NEVER_SENT:
            raise InvalidTurnError(f"{of} sends {item.kind} to {item.instance_id!r}, which no turn does.")
        number = item.fields.get("parent_id", item.fields.get("id"))
        which = "" if number is None else f", event {number}"
        late = " that may still ask for it: the execution ends" if end is not None else " that asks for it"
        raise InvalidTurnError(f"{of} has {item.kind} for {item.instance_id!r}{which}, and no event{late}.")


def _says(item: WorkItem, said: Mapping[str, object]) -> bool:
    return all(item.fields.get(name) == value for name, value in said.items())


def require_told(
    of: str,
    start: Event | None,
    delta: Sequence[Event],
    orchestrator_items: Iterable[WorkItem],
    messages: Iterable[WorkItem],
) -> None:
    """Raise InvalidTurnError where a child ends and does not tell its parent, or somebody is told who did not ask.

    `start` is the first event of the execution, None where it cannot be read; `messages` are those of the turn, among
    which may be the start of a child whose id is taken.
    """
    answers = [item for item in orchestrator_items if item.kind in _ANSWERS]
    end = end_of(delta)
    parent = None if start is None else start.payload.get("parent_instance")
    if start is not None and parent is not None and end is not None and end.type != CONTINUE:
        told = next((item for item in answers if _tells(item, start.payload, end)), None)
        if told is not None:
            answers.remove(told)
        elif not is_over_limit(end):
            raise InvalidTurnError(
                f"{of} ends with event {end.event_id}, and does not tell its parent {parent!r} the same."
            )
    taken = {_parent(item) for item in messages if item.kind == "StartOrchestration"}
    for item in answers:
        if item.kind == _ANSWERS[0] or _parent(item) not in taken:
            raise InvalidTurnError(
                f"{of} answers {item.kind} to event {item.fields['parent_id']} of {item.instance_id!r}, and is no end "
                "of the child that this started."
            )


def _tells(item: WorkItem, start: Mapping[str, Any], end: Event) -> bool:
    completed = end.type == "OrchestrationCompleted"
    execution = start.get("parent_execution_id")
    said = {"parent_instance": start["parent_instance"], "parent_id": start["parent_id"]}
    said |= {} if execution is None else {"parent_execution_id": execution}
    said |= {"result": end.payload["output"]} if completed else {"details": end.payload["details"]}
    return item.kind == _ANSWERS[not completed] and _says(item, said)


def _parent(item: WorkItem) -> tuple[object, object]:
    return item.fields.get("parent_instance"), item.fields.get("parent_id")


def require_cancels(
    of: str, earlier: Mapping[int, Event], delta: Sequence[Event], orchestrator_items: Iterable[WorkItem]
) -> None:
    """Raise InvalidTurnError where others than the execution's own children are cancelled, or one it gives up is not.

    `earlier` are events of its history, by their ids.
    """
    children, forgotten = _children(earlier.values()), _children(delta)
    if (end := end_of(delta)) is None:
        children, forgotten = children | forgotten, {}
    cancelled = [item.instance_id for item in orchestrator_items if item.kind == _CANCEL]
    for one in cancelled:
        if one not in children.values() and one not in forgotten.values():
            raise InvalidTurnError(f"{of} cancels {one!r}, which is no child that it has started.")
    if end is not None and is_over_limit(end):
        return
    for event in delta:
        child = children.get(event.source_event_id or 0)
        if event.type == _GIVES_UP_CHILD and child is not None and child not in cancelled:
            raise InvalidTurnError(f"{of} has event {event.event_id}, {event.type}, and no {_CANCEL} for {child!r}.")


def without_forgotten(
    earlier: Iterable[Event], delta: Sequence[Event], orchestrator_items: Sequence[WorkItem]
) -> Sequence[WorkItem]:
    """Return the messages to queue: all but those that cancel a child which is never started.

    A turn that ends the execution does not start what it has just scheduled, and of what it drops of that the engine
    cancels the children all the same. Such a message is for nobody: it would stop the dispatcher on SQLite, leave an
    execution without an instance on PostgreSQL, and cancel a stranger who has the child's id.
    """
    if end_of(delta) is None or not any(item.kind == _CANCEL for item in orchestrator_items):
        return orchestrator_items
    forgotten = {*_children(delta).values()}.difference(_children(earlier).values())
    return [item for item in orchestrator_items if item.kind != _CANCEL or item.instance_id not in forgotten]


def _children(events: Iterable[Event]) -> dict[int, str]:
    """Return the children that events schedule, by the ids of these."""
    return {
        event.event_id: child_instance_id(event.instance_id, event.payload["instance"])
        for event in events
        if event.type == "SubOrchestrationScheduled"
    }


def needed(delta: Sequence[Event], orchestrator_items: Iterable[WorkItem]) -> set[int] | None:
    """Return the ids of the earlier events that decide whether a turn is one; None where all of them may do."""
    kinds = {item.kind for item in orchestrator_items}
    if _CANCEL in kinds:
        return None
    fresh = {event.event_id for event in delta}
    sources = {event.source_event_id for event in delta if event.source_event_id is not None}
    begun = any(event.type == START for event in delta)
    ends = end_of(delta) is not None
    first = {1} if not begun and (ends or kinds.intersection(_ANSWERS)) else set()
    return {number for number in sources | first if number not in fresh and number < 2**63}

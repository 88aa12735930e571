"""The orchestrations of the engine's driver, run by holystone: the same code, replayed on the same histories."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from types import ModuleType
from typing import Any
from unittest import mock

from engine.engines import DRIVER
from holystone.clock import now_ms
from turns.shared.turn import SUBSCRIPTIONS, Turn, answers

DECISIONS = {
    "ActivityScheduled",
    "TimerCreated",
    "SubOrchestrationScheduled",
    "OrchestrationChained",
    *SUBSCRIPTIONS,
    "CustomStatusUpdated",
    "KeyValueSet",
    "KeyValueCleared",
    "KeyValuesCleared",
}
"""The events that code causes; all others come to it from outside."""


@cache
def driver() -> ModuleType:
    """The engine's driver without the engine, which must never be loaded where SQLite files are opened.

    Its orchestrations are generators, and know of the engine only the context that they are given.
    """
    spec = importlib.util.spec_from_file_location("driver_without_engine", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"duroxide": ModuleType("duroxide"), spec.name: module}):
        spec.loader.exec_module(module)
    return module


def run_activity(name: str, given: str) -> str:
    """Run one of the driver's activities, and return its result; both are JSON."""
    return json.dumps(driver().ACTIVITIES[name](None, json.loads(given)))


def run_code(turn: Turn) -> None:
    """Run an orchestration's code as far as its history goes, and end the turn as the engine would."""
    start = turn.start.payload
    orchestrations = driver().ORCHESTRATIONS
    function = orchestrations.get((start["name"], None)) or orchestrations[start["name"], start["version"]]
    context = Context(turn)
    end = _run(context, function(context, json.loads(start["input"])))
    if turn.cancel_reason is not None:
        turn.cancel(turn.cancel_reason)
    elif isinstance(end, Again):
        turn.continue_as_new(end.input)
    elif end is None:
        turn.go_on()
    else:
        turn.complete(json.dumps(end[0]))


def _run(context: Context, code: Generator[Any, Any, Any]) -> Again | Came:
    """Return what the code has returned, or with what it continues as new; None where it waits for something."""
    came: Came = (None,)
    try:
        while came is not None:
            task = code.send(came[0])
            if isinstance(task, Again):
                return task
            came = context.perform(task)
    except StopIteration as end:
        return (end.value,)
    return None


Came = tuple[Any] | None
"""What has come of a task, None for nothing yet."""


@dataclass
class Task:
    """Something to wait for: the event that it begins with, what that says, and what is done to begin it."""

    type: str
    says: dict[str, Any]
    begin: Callable[..., int]
    routed: dict[str, str] = field(default_factory=dict)

    def with_tag(self, tag: str) -> Task:
        """Have the activity run by workers with this tag only."""
        self.routed["tag"] = tag
        return self


@dataclass
class All:
    """Several tasks, to wait for together."""

    tasks: Sequence[Task]


@dataclass
class Again:
    """The end of an execution that continues as new."""

    input: str


class Context:
    """What the code is given: looks up in the history what the code asks for, and begins what is not there."""

    def __init__(self, turn: Turn) -> None:
        self.instance_id = turn.instance_id
        self._turn = turn
        self._decided = [event for event in turn.events if event.type in DECISIONS]
        self._keys = dict.fromkeys(turn.item.kv)

    def schedule_activity(self, name: str, value: Any) -> Task:
        return Task("ActivityScheduled", {"name": name, "input": json.dumps(value)}, self._turn.schedule_activity)

    def schedule_timer(self, delay_ms: int) -> Task:
        return Task("TimerCreated", {}, partial(self._turn.create_timer, delay_ms))

    def schedule_sub_orchestration(self, name: str, value: Any) -> Task:
        return Task("SubOrchestrationScheduled", {"name": name, "input": json.dumps(value)}, self._turn.start_child)

    def schedule_sub_orchestration_with_id(self, name: str, instance: str, value: Any) -> Task:
        says = {"name": name, "input": json.dumps(value), "instance": instance}
        return Task("SubOrchestrationScheduled", says, self._turn.start_child)

    def start_orchestration(self, name: str, instance: str, value: Any) -> Task:
        says = {"name": name, "input": json.dumps(value), "instance": instance}
        return Task("OrchestrationChained", says, self._turn.start_detached)

    def wait_for_event(self, name: str) -> Task:
        return Task("ExternalSubscribed", {"name": name}, partial(self._turn.add, "ExternalSubscribed"))

    def dequeue_event(self, name: str) -> Task:
        type = "ExternalSubscribedPersistent"
        return Task(type, {"name": name}, partial(self._turn.add, type))

    def all(self, tasks: Sequence[Task]) -> All:
        return All(tasks)

    def continue_as_new(self, value: Any) -> Again:
        return Again(json.dumps(value))

    def set_custom_status(self, status: str | None) -> None:
        self._decide("CustomStatusUpdated", {"status": status})

    def reset_custom_status(self) -> None:
        self.set_custom_status(None)

    def set_kv_value(self, key: str, value: str) -> None:
        self._decide("KeyValueSet", {"key": key, "value": value}, last_updated_at_ms=now_ms())
        self._keys[key] = None

    def clear_kv_value(self, key: str) -> None:
        self._decide("KeyValueCleared", {"key": key})
        self._keys.pop(key, None)

    def clear_all_kv_values(self) -> None:
        self._decide("KeyValuesCleared", {})
        self._keys.clear()

    def get_kv_all_keys(self) -> list[str]:
        return list(self._keys)

    def perform(self, task: Task | All) -> Came:
        """Begin a task, or several, where that has not been done before; return what has come of them all."""
        if isinstance(task, Task):
            return self._came(task, self._begin(task))
        numbers = [self._begin(one) for one in task.tasks]
        came = [self._came(one, number) for one, number in zip(task.tasks, numbers, strict=True)]
        return None if None in came else ([{"ok": one[0]} for one in came if one is not None],)

    def _begin(self, task: Task) -> int:
        return self._decide(task.type, task.says, task.begin, **task.routed)

    def _decide(self, type: str, says: dict[str, Any], begin: Callable[..., int] | None = None, **more: Any) -> int:
        """Return the id of the history's next decision, which must be this one; make it where there is none."""
        if not self._decided:
            return (begin or partial(self._turn.add, type))(**says, **more)
        event = self._decided.pop(0)
        said = {name: event.payload.get(name) for name in says}
        assert (event.type, said) == (type, says), f"{self.instance_id!r} took another road"
        return event.event_id

    def _came(self, task: Task, number: int) -> Came:
        if task.type == "OrchestrationChained":
            return (None,)
        if task.type in SUBSCRIPTIONS:
            answer = answers(self._turn.events, task.type, SUBSCRIPTIONS[task.type]).get(number)
            return None if answer is None else (json.loads(answer.payload["data"]),)
        end = next((event for event in self._turn.events if event.source_event_id == number), None)
        return None if end is None else (json.loads(end.payload.get("result", "null")),)

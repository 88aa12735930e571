"""Which of an execution's requests can still be answered, each judged by itself.

An activity is answered as long as it is in worker_queue, or its answer in orchestrator_queue; a timer as long as its
TimerFired is there, which becomes visible when it fires; a child as long as it runs, or is to start. Whatever hands on
from one to the next does so in one transaction. What an execution has given up needs no answer: since 0.1.16 it says so
in an event, and engines before took the row of an activity away without a word.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from holystone.duroxide.engine_version import EngineVersion, engine_version
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import writes
from holystone.duroxide.replay import ANSWERED_BY
from holystone.duroxide.tables import worker_queue
from holystone.duroxide.work_item import ANSWERS, WorkItem
from holystone.scan.reader import Reader
from holystone.scan.relations import wakeup_sources
from holystone.scan.relations.wakeup_sources import Child

Request = tuple[str, int]
"""Type and id of an event that asks for something."""


def never_answered(
    reader: Reader,
    instance_id: str,
    execution_id: int,
    events: Sequence[Mapping[str, Any]],
    waits_for: Sequence[Mapping[str, Any]],
) -> dict[int, str]:
    """Return the ids of those events in `waits_for` whose answer can never come, each with the cause.

    Nothing is said where a message of the instance cannot be read, for it might be any of them.
    """
    told = _told(reader, instance_id, execution_id)
    if told is None:
        return {}
    to_come = told | {("ActivityScheduled", number) for number in activities(reader, instance_id, execution_id)}
    silent_until = _last_without_a_word(events)
    lost: dict[int, str] = {}
    for event in waits_for:
        kind, number = event["type"], event["event_id"]
        if (kind, number) in to_come:
            continue
        if kind == "SubOrchestrationScheduled":
            child = wakeup_sources.child(reader, instance_id, execution_id, event)
            if child is not Child.may_answer:
                lost[number] = child.value
        elif kind == "TimerCreated":
            lost[number] = "timer-lost"
        elif number > silent_until:
            lost[number] = "activity-lost"
    return lost


def may_be_answered(reader: Reader, instance_id: str, execution_id: int, event: Mapping[str, Any]) -> bool:
    """Return whether something is there that answers the event, or may do so."""
    told = _told(reader, instance_id, execution_id)
    if told is None or (event["type"], event["event_id"]) in told:
        return True
    if event["type"] == "SubOrchestrationScheduled":
        return wakeup_sources.child(reader, instance_id, execution_id, event) is Child.may_answer
    return event["type"] == "ActivityScheduled" and event["event_id"] in activities(reader, instance_id, execution_id)


def _told(reader: Reader, instance_id: str, execution_id: int) -> set[Request] | None:
    """Return what the messages of an instance answer to this execution; None where one of them cannot be read."""
    told: set[Request] = set()
    for item in wakeup_sources.messages(reader, instance_id):
        if item is None:
            return None
        told.update(_answered_by(item, execution_id))
    return told


def _answered_by(item: WorkItem, execution_id: int) -> list[Request]:
    if item.kind not in ANSWERS:
        return []
    answer = ANSWERS[item.kind]
    is_of_execution = item.fields[answer.execution_id] == execution_id
    return [(answer.asked_by, item.fields[answer.event_id])] if is_of_execution else []


def activities(reader: Reader, instance_id: str, execution_id: int) -> set[Any]:
    """Return the ids of the execution's activities that are queued, or in a worker's hands."""
    queue = worker_queue.c
    queued: set[Any] = set()
    if all(map(reader.flavour.has, (queue.instance_id, queue.execution_id, queue.activity_id))):
        rows = select(queue.activity_id).where(queue.instance_id == instance_id, queue.execution_id == execution_id)
        queued = set(reader.connection.execute(rows).scalars())
    disguised = wakeup_sources.in_disguise(reader)
    return queued | {number for *of, number in disguised if of == [instance_id, execution_id]}


def _last_without_a_word(events: Sequence[Mapping[str, Any]]) -> int:
    """Return the id of the last event of an engine that gives up activities without a word; 0 where there is none."""
    versions = ((event["event_id"], engine_version(event["duroxide_version"])) for event in events)
    return max((number for number, version in versions if not _gives_up_in_events(version)), default=0)


def _gives_up_in_events(version: EngineVersion | None) -> bool:
    return version is not None and Rule.gives_up_in_events in writes(version).rules


ASKING = tuple(ANSWERED_BY)
ANSWERING = tuple(sorted(frozenset().union(*ANSWERED_BY.values())))
MESSAGES = tuple(ANSWERS)

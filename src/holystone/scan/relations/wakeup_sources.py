"""What could wake an execution beside what its own events tell, each as one look into the store."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, select

from holystone.duroxide.event_types import CONTINUED_AS_NEW, TERMINAL
from holystone.duroxide.limits import names_limit
from holystone.duroxide.references import child_instance_id
from holystone.duroxide.tables import instance_locks, instances, orchestrator_queue, worker_queue
from holystone.duroxide.work_item import ANSWERS, WorkItem
from holystone.scan.reader import Reader
from holystone.scan.relations.decode import read_events, read_message
from holystone.scan.relations.queues import messages_of, work_item_of

OF_ONE_EXECUTION = frozenset(ANSWERS)
"""Kinds of messages that the engine drops where they are meant for another execution than the current one."""


def is_in_turn(reader: Reader, instance_id: str) -> bool:
    """Return whether somebody holds the instance's lock."""
    held = select(instance_locks.c.instance_id).where(
        instance_locks.c.instance_id == instance_id, instance_locks.c.locked_until > reader.now_ms
    )
    return reader.connection.execute(held).first() is not None


def has_message(reader: Reader, instance_id: str, execution_id: int) -> bool:
    """Return whether a message waits that is for this execution, or that cannot be read and so might be."""
    return any(_may_wake(item, execution_id) for item in messages(reader, instance_id))


def has_activity(reader: Reader, instance_id: str, execution_id: int) -> bool:
    """Return whether an activity of the execution is queued or in a worker's hands, whatever its row says of it."""
    return any(one[:2] == (instance_id, execution_id) for one in in_disguise(reader))


def in_disguise(reader: Reader) -> set[tuple[Any, Any, Any]]:
    """Return instance, execution and event of the activities whose rows say something else, or nothing."""
    return reader.once("activities in disguise", lambda: set(_in_disguise(reader)))


def messages(reader: Reader, instance_id: str, *conditions: ColumnElement[bool]) -> Iterator[WorkItem | None]:
    """Yield the messages that wait for an instance, at whatever time, None for one that cannot be read."""
    within = [orchestrator_queue.c.instance_id == instance_id, *conditions]
    queued = select(messages_of(reader.flavour, orchestrator_queue, within, ("id", "work_item")))
    for row in reader.connection.execute(queued).all():
        yield read_message(work_item_of(reader, orchestrator_queue, row))


def _may_wake(item: WorkItem | None, execution_id: int) -> bool:
    if item is None or item.kind not in OF_ONE_EXECUTION:
        return True
    name = "parent_execution_id" if item.kind.startswith("SubOrch") else "execution_id"
    return bool(item.fields[name] == execution_id)


def _in_disguise(reader: Reader) -> Iterable[tuple[Any, Any, Any]]:
    says, columns = reader.flavour.messages.says, ("id", "work_item", "instance_id", "execution_id")
    queue = messages_of(reader.flavour, worker_queue, [], columns)
    rows = select(queue)
    if all(map(reader.flavour.has, (worker_queue.c.instance_id, worker_queue.c.execution_id))):
        of_whom = (queue.c.instance_id, queue.c.execution_id)
        # A long one says nothing here, and is read alone.
        agree = and_(*map(says, (queue.c.item,) * 2, ("instance", "execution_id"), of_whom))
        rows = rows.where(or_(*(column.is_(None) for column in of_whom), not_(agree)))
    with reader.connection.execute(rows.execution_options(yield_per=500)) as result:
        for row in result:
            item = read_message(work_item_of(reader, worker_queue, row))
            if item is not None and item.is_for_worker:
                yield item.instance_id, item.fields["execution_id"], item.fields["id"]


class Child(Enum):
    """What became of a child; one of which too little can be read may answer, for all that is known.

    The values of all others are causes in findings.
    """

    may_answer = "may-answer"
    lost = "child-lost"
    """It is not there, and will not be."""
    silent = "child-silent"
    """It has ended, or was started by somebody else: either way it will not answer, and has not."""
    unstored = "child-unstored"
    """The engine could not store its turn and failed it: a failure of which no parent is told, in no version."""
    broke_limit = "child-broke-limit"
    """It broke a limit in its last turn: the engine drops all messages of such a turn, in no version tells a parent."""
    forgot_parent = "child-forgot-parent"
    """It continued as new under an engine before 0.1.30, which does not take along whose child it is."""


def child(reader: Reader, parent: str, execution_id: int, scheduled: Mapping[str, Any]) -> Child:
    """Return what became of the child that an event of the parent's execution has asked for."""
    its_id = child_instance_id(parent, scheduled["instance"])
    current = reader.connection.execute(
        select(instances.c.current_execution_id).where(instances.c.instance_id == its_id)
    ).scalar_one_or_none()
    if current is None:
        starting = (item is None or item.kind == "StartOrchestration" for item in messages(reader, its_id))
        return Child.may_answer if any(starting) else Child.lost
    events = read_events(reader.history(its_id, current))
    if events is None:
        return Child.may_answer
    ends = [event for event in events if event["type"] in TERMINAL]
    if not ends:
        tells = _will_tell(events[0], current, parent, execution_id, scheduled)
        return Child.may_answer if tells else Child.silent
    return _ended(events[0], ends[-1], current)


def _ended(start: Mapping[str, Any], end: Mapping[str, Any], current: int) -> Child:
    """Return why a child whose current execution has ended does not answer, as far as its events tell."""
    if TERMINAL[end["type"]] == CONTINUED_AS_NEW:
        return Child.may_answer
    details = end.get("details", {})
    if "Infrastructure" in details:
        return Child.unstored
    if names_limit(details):
        return Child.broke_limit
    return Child.forgot_parent if current > 1 and start.get("parent_instance") is None else Child.silent


def _will_tell(
    start: Mapping[str, Any], current: int, parent: str, execution_id: int, scheduled: Mapping[str, Any]
) -> bool:
    """Return whether a running child will answer this very event: one that somebody else started never will.

    Engines before 0.1.30 do not say for which of the parent's executions it is, nor any more who the parent is once
    the child has continued as new.
    """
    told = (start.get("parent_instance"), start.get("parent_id"))
    if told[0] is None and current > 1:
        return True
    return told == (parent, scheduled["event_id"]) and start.get("parent_execution_id") in (None, execution_id)

"""Whose a message is that lies in orchestrator_queue under another instance than the one that it names.

Either of the two may have been altered: which one it was is told by what either instance lacks.
"""

from typing import Any

from sqlalchemy import or_, select

from holystone.duroxide.event_types import START
from holystone.duroxide.replay import unanswered
from holystone.duroxide.tables import instances, orchestrator_queue
from holystone.duroxide.work_item import ANSWERS, STARTS, WorkItem
from holystone.errors import RecordError
from holystone.scan.reader import Reader
from holystone.scan.relations.answers import may_be_answered
from holystone.scan.relations.continuations import is_to_continue
from holystone.scan.relations.decode import read_events

_CONTINUING = "ContinueAsNew"
_A_MOMENT_MS = 1
"""What a database may round off a time by."""


def is_misplaced(reader: Reader, row: Any, item: WorkItem) -> bool:
    """Return whether a message is not of the instance under which it lies, but of the one that it names.

    An answer is of whoever has asked for it and has no other to expect, and a continuation of whoever has continued as
    new. Any other message surely is not of an instance that is not there. None is of an instance that would never take
    it, nor a timer that is due before its time.
    """
    named = item.instance_id
    if named is None or (item.kind != _CONTINUING and is_to_continue(reader, named)):
        return False
    if item.kind == _CONTINUING:
        return is_to_continue(reader, named) and not is_to_continue(reader, row.instance_id)
    if item.kind in ANSWERS:
        in_time = item.kind != "TimerFired" or _is_due_in_time(reader, row, item)
        return in_time and _lacks(reader, named, item) and not _lacks(reader, row.instance_id, item)
    return not is_known(reader, row.instance_id) and is_known(reader, named)


def _lacks(reader: Reader, instance_id: str, item: WorkItem) -> bool:
    """Return whether the instance has asked for the answer that the message is, has none, and has none to expect."""
    answer = ANSWERS[item.kind]
    execution_id = item.fields[answer.execution_id]
    events = read_events(reader.history(instance_id, execution_id))
    asked = [event for event in unanswered(events or ()) if event["event_id"] == item.fields[answer.event_id]]
    return any(
        event["type"] == answer.asked_by and not may_be_answered(reader, instance_id, execution_id, event)
        for event in asked
    )


def _is_due_in_time(reader: Reader, row: Any, item: WorkItem) -> bool:
    due_ms = reader.flavour.to_ms(row.visible_at)
    return due_ms is not None and due_ms >= item.fields["fire_at_ms"] - _A_MOMENT_MS


def is_known(reader: Reader, instance_id: str) -> bool:
    """Return whether the instance has a row, or is to have one."""
    there = select(instances.c.instance_id).where(instances.c.instance_id == instance_id)
    return reader.connection.execute(there).first() is not None or is_to_be(reader, instance_id)


def is_to_be(reader: Reader, instance_id: str) -> bool:
    """Return whether the instance is being started, or has begun: the engine goes by its history, then."""
    queue = orchestrator_queue
    starts = or_(*(queue.c.work_item.contains(kind, autoescape=True) for kind in STARTS))
    for text in reader.connection.execute(
        select(queue.c.work_item).where(queue.c.instance_id == instance_id, starts)
    ).scalars():
        try:
            if reader.flavour.messages.read(text, for_worker=False).kind in STARTS:
                return True
        except RecordError:
            continue
    return any(row.type == START for row in reader.history(instance_id))

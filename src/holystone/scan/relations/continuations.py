"""The end of a chain: a current execution that continued as new, and the message that begins the next one."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import select

from holystone.duroxide.event_types import CONTINUED_AS_NEW, TERMINAL
from holystone.duroxide.replay import carried_forward, custom_status
from holystone.duroxide.tables import history, instances, orchestrator_queue
from holystone.duroxide.work_item import WorkItem
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relations.decode import read_events, read_message

_PARENT = ("parent_instance", "parent_id", "parent_execution_id")


class ChainEnd(Struct, frozen=True):
    """What takes the instance on: `queued` is whether it waits, or holds a message that may be it.

    `message` is the one that the engine wrote at `ended_at_ms` (since the epoch), as far as the events tell; None
    where they do not. `is_taken` is whether there are events of a later execution, though its row may be lost.
    """

    queued: bool
    message: WorkItem | None
    ended_at_ms: int
    is_taken: bool = False


def chain_end(reader: Reader, instance_id: str, execution_id: int, ended_at_ms: int) -> ChainEnd:
    """Return what is there to take an instance on whose current execution has continued as new."""
    if _is_queued(reader, instance_id):
        return ChainEnd(True, None, ended_at_ms)
    rows = reader.history(instance_id, execution_id)
    # The message has the engine fetch them all, and its words are taken from them: one that no fetch survives is fatal.
    survives = all(reader.flavour.engine_can_decode(row.event_data) for row in rows if isinstance(row.event_data, str))
    message = _continuation(instance_id, rows) if survives else None
    return ChainEnd(False, message, ended_at_ms, _is_taken(reader, instance_id, execution_id))


def is_to_continue(reader: Reader, instance_id: str) -> bool:
    """Return whether the current execution has continued as new, and nothing is there that begins the next one."""
    current = select(instances.c.current_execution_id).where(instances.c.instance_id == instance_id)
    execution_id = reader.connection.execute(current).scalar_one_or_none()
    if execution_id is None:
        return False
    events = read_events(reader.history(instance_id, execution_id)) or ()
    ends = [event for event in events if TERMINAL.get(event["type"]) == CONTINUED_AS_NEW]
    return bool(ends) and not chain_end(reader, instance_id, execution_id, ends[-1]["timestamp_ms"]).queued


def _is_taken(reader: Reader, instance_id: str, execution_id: int) -> bool:
    event = history.c
    later = select(event.event_id).where(event.instance_id == instance_id, event.execution_id > execution_id).limit(1)
    return reader.connection.execute(later).first() is not None


def _is_queued(reader: Reader, instance_id: str) -> bool:
    """Return whether a message of the instance begins its next execution, or cannot be read and so might.

    Messages that wait for another time and those that a worker has in hand count like any other.
    """
    texts = select(orchestrator_queue.c.work_item).where(orchestrator_queue.c.instance_id == instance_id)
    for text in reader.connection.execute(texts).scalars():
        item = read_message(text)
        if item is None or item.kind == "ContinueAsNew":
            return True
    return False


def _continuation(instance_id: str, rows: Sequence[EventRow]) -> WorkItem | None:
    """Return the message by which the engine goes on after these events, as `run_single_execution_atomic` makes it.

    No event says whether a version was asked for: the message asks for none, so that the newest one is taken.
    """
    events = read_events(rows) or []
    end = next((event for event in reversed(events) if event["type"] == "OrchestrationContinuedAsNew"), None)
    if end is None:
        return None
    start = events[0]
    return WorkItem.new(
        "ContinueAsNew",
        instance=instance_id,
        orchestration=start["name"],
        input=end["input"],
        version=None,
        **{name: start.get(name) for name in _PARENT},
        carry_forward_events=[list(letter) for letter in carried_forward(events)],
        initial_custom_status=custom_status(events),
    )

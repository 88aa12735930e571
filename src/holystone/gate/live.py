"""What goes on in a store, as far as another version of the engine, or of the application, may not go on with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from holystone.duroxide.engine_version import EngineVersion, engine_version
from holystone.duroxide.error_details import ERROR_DETAILS
from holystone.duroxide.event import EVENT_SHAPES, Event
from holystone.duroxide.event_types import RUNNING
from holystone.duroxide.release import Writes
from holystone.duroxide.tables import (
    executions,
    history,
    instances,
    not_completed,
    orchestrator_queue,
    worker_queue,
)
from holystone.duroxide.work_item import FOR_WORKERS, STARTS, WORK_ITEM_SHAPES, WorkItem
from holystone.errors import RecordError
from holystone.gate.registered import Registered
from holystone.scan.long_texts import is_long, unless_long
from holystone.scan.reader import Reader

_AT_A_TIME = 1_000
"""Rows that are read at a time."""
_ENGINES_OWN = "__duroxide_"
"""What the names of the engine's own activities begin with, which it registers itself: src/lib.rs of the engine."""


@dataclass
class Instances:
    """How many instances share something, and the id of one of them."""

    example: str
    count: int = 0


@dataclass
class Live:
    """The executions that run, and the messages that wait, by what a version may stumble over.

    `kinds` are those of events and of messages, and of the failures in them; `versions` those of the engine's core that
    wrote the events; `orchestrations` the names and versions that they, and messages that start one, go by;
    `activities` what waits for a worker.
    """

    kinds: dict[str, Instances] = field(default_factory=dict)
    versions: dict[EngineVersion, Instances] = field(default_factory=dict)
    orchestrations: dict[tuple[str, str | None], Instances] = field(default_factory=dict)
    activities: dict[str, Instances] = field(default_factory=dict)

    def unreadable(self, writes: Writes) -> dict[str, Instances]:
        """Return the kinds that a version cannot read: newer than it, or given up before it."""
        readable = {*writes.events, *writes.work_items, *writes.failures}
        return {kind: found for kind, found in self.kinds.items() if kind not in readable}

    def unregistered(self, registered: Registered) -> dict[tuple[str, str | None], Instances]:
        """Return the orchestrations that are not registered."""
        return {one: found for one, found in self.orchestrations.items() if not registered.knows(*one)}


def live(reader: Reader) -> Live:
    """Return what goes on in a store; every event of each execution that runs is read, and every message.

    What is none that any engine could have written is passed over: checks tell of that.
    """
    found = Live()
    for row in reader.connection.execute(_running()):
        _count(found.orchestrations, (row.orchestration_name, row.orchestration_version), row.instance_id)
    last: dict[object, tuple[Any, Any]] = {}
    for row in _streamed(reader.connection, _events(reader)):
        text = reader.event_text(row.instance_id, row.execution_id, row.event_id) if row.is_long else row.text
        for among, what in _of_event(found, text):
            # The events of an execution come one after the other.
            if last.get(what) != (row.instance_id, row.execution_id):
                last[what] = (row.instance_id, row.execution_id)
                _count(among, what, row.instance_id)
    for queue in (orchestrator_queue, worker_queue):
        for row in _streamed(reader.connection, _messages(reader, queue)):
            text = reader.long_text(select(queue.c.work_item).where(queue.c.id == row.id)) if row.is_long else row.text
            _take_message(found, text)
    return found


def _running() -> Select[Any]:
    names = (instances.c.instance_id, instances.c.orchestration_name, instances.c.orchestration_version)
    return select(*names).select_from(instances).join(executions, _current).where(*_runs)


_current = and_(
    executions.c.instance_id == instances.c.instance_id,
    executions.c.execution_id == instances.c.current_execution_id,
)
_runs = (not_completed(executions.c.status), executions.c.status == RUNNING)


def _events(reader: Reader) -> Select[Any]:
    of = history.c
    running = select(executions.c.instance_id, executions.c.execution_id).select_from(instances)
    one = running.join(executions, _current).where(*_runs).offset(0).subquery("running").c
    text = of.event_data
    return (
        select(of.instance_id, of.execution_id, of.event_id, *_text_of(reader, text))
        .where(of.instance_id == one.instance_id, of.execution_id == one.execution_id)
        .order_by(of.instance_id, of.execution_id)
    )


def _messages(reader: Reader, queue: Any) -> Select[Any]:
    return select(queue.c.id, *_text_of(reader, queue.c.work_item))


def _text_of(reader: Reader, text: Any) -> list[Any]:
    return [unless_long(reader.flavour, text).label("text"), is_long(reader.flavour, text).label("is_long")]


def _streamed(connection: Connection, statement: Select[Any]) -> Iterator[Any]:
    with connection.execute(statement.execution_options(yield_per=_AT_A_TIME)) as result:
        yield from result


def _of_event(found: Live, text: Any) -> Iterator[tuple[dict[Any, Instances], object]]:
    """Yield what an event is counted among, and as what."""
    try:
        event = Event.from_json(text)
    except (RecordError, TypeError):
        return
    yield found.kinds, event.type
    if "details" in EVENT_SHAPES.get(event.type, ()):
        for kind in ERROR_DETAILS.names(event.payload["details"]):
            yield found.kinds, kind
    if (version := engine_version(event.duroxide_version)) is not None:
        yield found.versions, version


def _take_message(found: Live, text: Any) -> None:
    try:
        item = WorkItem.from_json(text)
    except RecordError:
        return
    instance = item.instance_id or ""
    _count(found.kinds, item.kind, instance)
    if "details" in WORK_ITEM_SHAPES.get(item.kind, ()):
        for kind in ERROR_DETAILS.names(item.fields["details"]):
            _count(found.kinds, kind, instance)
    if item.kind in STARTS:
        _count(found.orchestrations, (item.fields["orchestration"], item.fields["version"]), instance)
    if item.kind in FOR_WORKERS and not item.fields["name"].startswith(_ENGINES_OWN):
        _count(found.activities, item.fields["name"], instance)


def _count(among: dict[Any, Instances], key: Any, instance: Any) -> None:
    among.setdefault(key, Instances(str(instance))).count += 1

"""What goes on in a store, as far as another version of the engine, or of the application, may not go on with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from holystone.duroxide.engine_version import EngineVersion, engine_version
from holystone.duroxide.error_details import ERROR_DETAILS
from holystone.duroxide.event import EVENT_SHAPES, Event
from holystone.duroxide.event_types import RUNNING, START, TERMINAL
from holystone.duroxide.release import Writes
from holystone.duroxide.tables import (
    executions,
    history,
    instances,
    orchestrator_queue,
    worker_queue,
)
from holystone.duroxide.work_item import FOR_WORKERS, STARTS, WORK_ITEM_SHAPES, WorkItem
from holystone.errors import RecordError
from holystone.gate.registered import Registered
from holystone.scan.event_text import last_event_ends
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
    of_execution = attrgetter("instance_id", "execution_id")
    for _, rows in groupby(_streamed(reader.connection, _may_run(reader)), of_execution):
        _take_execution(found, reader, rows)
    for queue in (orchestrator_queue, worker_queue):
        for row in _streamed(reader.connection, _messages(reader, queue)):
            text = reader.long_text(select(queue.c.work_item).where(queue.c.id == row.id)) if row.is_long else row.text
            _take_message(found, text)
    return found


def _may_run(reader: Reader) -> Select[Any]:
    """Return the select of the current executions whose history, or else whose row, has no end, each with its events.

    The history decides, for the engine goes by it; the last event of each tells at first sight.
    """
    row, event = executions.c, history.c
    of_instance = and_(row.instance_id == instances.c.instance_id, row.execution_id == instances.c.current_execution_id)
    has_no_end = last_event_ends(reader.flavour, row.instance_id, row.execution_id).is_(False)
    pinned = (instances.c.orchestration_name, instances.c.orchestration_version)
    found = select(row.instance_id, row.execution_id, row.status, *pinned).join(instances, of_instance)
    # The offset has these few picked out before their events are read.
    one = found.where(or_(row.status == RUNNING, has_no_end)).offset(0).subquery("one").c
    of_one = and_(event.instance_id == one.instance_id, event.execution_id == one.execution_id)
    return (
        select(*one, event.event_id, *_text_of(reader, event.event_data))
        .select_from(one.instance_id.table.outerjoin(history, of_one))
        .order_by(one.instance_id, one.execution_id, event.event_id)
    )


def _take_execution(found: Live, reader: Reader, rows: Iterator[Any]) -> None:
    """Count an execution that runs: its history has no end, or says too little, and its row that it runs."""
    among_what: dict[object, dict[Any, Instances]] = {}
    pinned = None
    ended, is_whole = False, True
    for row in rows:
        pinned = pinned or (row.orchestration_name, row.orchestration_version)
        event = None if row.event_id is None else _read(_text(reader, row))
        if event is None:
            is_whole = False
            continue
        among_what |= _counted(found, event)
        ended = ended or event.type in TERMINAL
        if event.type == START:
            pinned = event.payload["name"], event.payload["version"]
    if ended or not (is_whole or row.status == RUNNING):
        return
    _count(found.orchestrations, pinned, row.instance_id)
    for what, among in among_what.items():
        _count(among, what, row.instance_id)


def _text(reader: Reader, row: Any) -> Any:
    return reader.event_text(row.instance_id, row.execution_id, row.event_id) if row.is_long else row.text


def _messages(reader: Reader, queue: Any) -> Select[Any]:
    return select(queue.c.id, *_text_of(reader, queue.c.work_item))


def _text_of(reader: Reader, text: Any) -> list[Any]:
    return [unless_long(reader.flavour, text).label("text"), is_long(reader.flavour, text).label("is_long")]


def _streamed(connection: Connection, statement: Select[Any]) -> Iterator[Any]:
    with connection.execute(statement.execution_options(yield_per=_AT_A_TIME)) as result:
        yield from result


def _read(text: Any) -> Event | None:
    try:
        return Event.from_json(text)
    except (RecordError, TypeError):
        return None


def _counted(found: Live, event: Event) -> dict[object, dict[Any, Instances]]:
    """Return as what an event is counted, and among what."""
    failures = ERROR_DETAILS.names(event.payload["details"]) if "details" in EVENT_SHAPES.get(event.type, ()) else ()
    version = engine_version(event.duroxide_version)
    return dict.fromkeys([event.type, *failures], found.kinds) | ({} if version is None else {version: found.versions})


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

"""Worker item facts: the activities that wait in worker_queue, and why none should take one of them.

Sources in microsoft/duroxide: `fetch_work_item` in src/providers/sqlite.rs and in the functions of
microsoft/duroxide-pg, and the dispatchers in src/runtime/dispatchers, which say what becomes of a message.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, select

from holystone.duroxide.event_types import RUNNING
from holystone.duroxide.replay import ANSWERED_BY, unanswered
from holystone.duroxide.tables import executions, history, instances, worker_queue
from holystone.duroxide.work_item import WORK_ITEM_SHAPES, WorkItem
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.event_text import last_event_ends, may_be_of_type
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Conditions
from holystone.scan.relations.decode import read_events
from holystone.scan.relations.queues import (
    QueueFacts,
    QueueRelation,
    QueueSource,
    attempts_of,
    due_time_of,
    work_item_of,
)

OUTSTANDING = "outstanding"
IDENTITY = ("instance_id", "execution_id", "activity_id")
"""The columns of an activity by which it is cancelled; NULL, all three, in rows that are older than the columns."""
ROUTING = ("session_id", "tag")
"""The columns of an activity that say which worker takes it."""

_OVER = (*sorted(ANSWERED_BY["ActivityScheduled"]), "ActivityCancelRequested")


class WorkerItemSource(QueueSource):
    """The activities that wait for a worker, each with its instance, its execution and the event that scheduled it."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        super().__init__(flavour, worker_queue, within)
        message, execution, scheduled = self._message, executions.alias("execution"), history.alias("scheduled")
        of_execution = and_(
            execution.c.instance_id == message.instance_id, execution.c.execution_id == message.execution_id
        )
        of_event = and_(
            scheduled.c.instance_id == message.instance_id,
            scheduled.c.execution_id == message.execution_id,
            scheduled.c.event_id == message.activity_id,
        )
        in_doubt = or_(
            execution.c.status.is_(None),
            execution.c.status != RUNNING,
            scheduled.c.event_id.is_(None),
            not_(may_be_of_type(flavour, scheduled, "ActivityScheduled")),
            last_event_ends(flavour, message.instance_id, message.execution_id),
        )
        joined = self.rows.outerjoin(execution, of_execution).outerjoin(scheduled, of_event)
        # The offset changes no row, and keeps what is asked of the events from being asked anew in each place.
        self._have(select(*message, in_doubt.label("in_doubt")).select_from(joined).offset(0).subquery("activity"))
        self.in_doubt: ColumnElement[bool] = self._message.in_doubt
        """The execution is gone or ended, or its history has no such activity; the facts tell what is the matter."""

    @property
    def identified(self) -> ColumnElement[bool]:
        """Surely the activity that the columns say."""
        return and_(*(self._says(column) for column in (*IDENTITY, *ROUTING)))

    def output(self) -> Sequence[ColumnElement[Any]]:
        columns = (self._message[column] for column in (*IDENTITY, *ROUTING))
        return [*super().output(), *columns, self.in_doubt]


class WorkerItemFacts(QueueFacts, frozen=True):
    """An activity that waits for a worker; `fate` says why none should take it, OUTSTANDING where one should.

    `is_awaited` is whether the execution of the columns, which are not those of the message, has asked for the activity
    that they say, has no answer, and has no other row for it.
    """

    fate: str
    is_awaited: bool

    @property
    def activity(self) -> Compared[str]:
        return Compared("activity", self.fate, OUTSTANDING)

    @property
    def copies(self) -> Sequence[Compared[Any]]:
        """The columns that say what the message says as well; not those that are newer than the row."""
        is_older = all(self.columns[name] is None for name in IDENTITY)
        return [one for one in super().copies if not (is_older and one.name in IDENTITY)]


class WorkerItems(QueueRelation[WorkerItemSource, WorkerItemFacts]):
    name = "worker_items"
    table = worker_queue
    is_for_worker = True

    def source(self, flavour: Flavour, within: Conditions) -> WorkerItemSource:
        return WorkerItemSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> WorkerItemFacts:
        item, fault = self._read(reader, work_item_of(reader, self.table, row))
        columns = {column: getattr(row, column) for column in (*IDENTITY, *ROUTING)}
        fate = OUTSTANDING
        if row.in_doubt and item is not None and item.kind in WORK_ITEM_SHAPES:
            fate = _fate(reader, row, item)
        return WorkerItemFacts(
            row.id,
            columns,
            item,
            fault,
            attempts_of(row),
            due_time_of(reader, row, item),
            fate,
            item is not None and _is_of_another(row, item) and _is_awaited(reader, row),
        )


def _is_of_another(row: Any, item: WorkItem) -> bool:
    named = (item.instance_id, item.fields.get("execution_id"), item.fields.get("id"))
    return named != (row.instance_id, row.execution_id, row.activity_id)


def _is_awaited(reader: Reader, row: Any) -> bool:
    """Return whether the activity that the columns say is still to be answered, and by this row alone."""
    if not isinstance(row.execution_id, int):
        return False
    events = read_events(reader.history(row.instance_id, row.execution_id)) or []
    asked = [event for event in unanswered(events) if event["event_id"] == row.activity_id]
    if not any(event["type"] == "ActivityScheduled" for event in asked):
        return False
    queue = worker_queue.c
    same = [queue[column] == getattr(row, column) for column in IDENTITY]
    return reader.connection.execute(select(queue.id).where(*same, queue.id != row.id)).first() is None


def _fate(reader: Reader, row: Any, item: WorkItem) -> str:
    """Return why no worker should take the activity.

    The engine itself leaves the activities of an execution behind that it fails as poisoned or for a failed ack; they
    are taken to no effect, and nothing in the history says that they are over.
    """
    instance_id, execution_id, activity = item.instance_id, item.fields["execution_id"], item.fields["id"]
    assert instance_id is not None
    kinds, over = reader.once(
        ("activities", instance_id, execution_id), lambda: _activities(reader.history(instance_id, execution_id))
    )
    if kinds:
        if kinds.get(activity, "") not in ("ActivityScheduled", None):
            return "never-scheduled"
        return "already-over" if activity in over else OUTSTANDING
    execution = and_(executions.c.instance_id == instance_id, executions.c.execution_id == execution_id)
    found = select(exists_lookup(instances.c.instance_id == instance_id), exists_lookup(execution))
    has_instance, has_execution = reader.connection.execute(found).one()
    if has_instance:
        return OUTSTANDING if has_execution else "execution-gone"
    old = reader.is_settled(row.visible_at if row.created_at is None else row.created_at)
    return "instance-gone" if old else OUTSTANDING


def _activities(events: Sequence[EventRow]) -> tuple[dict[int, str | None], set[int]]:
    """Return the type of each event, None of one that cannot be read, and which activities have come to an end."""
    sources = [row.event.get("source_event_id") for row in events if row.event is not None and row.type in _OVER]
    return {row.event_id: row.type for row in events}, {source for source in sources if isinstance(source, int)}


WORKER_ITEMS = WorkerItems()

"""Queue facts: the messages of both queues, and what is known of whom they are for.

Sources in microsoft/duroxide: `fetch_orchestration_item` and `fetch_work_item` in src/providers/sqlite.rs and in the
functions of microsoft/duroxide-pg, and the dispatchers in src/runtime/dispatchers, which say what becomes of a message.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Column, ColumnElement, FromClause, Table, and_, case, false, not_, or_, select, true

from holystone.errors import RecordError
from holystone.scan.event_text import last_event_ends
from holystone.scan.presence import there_is
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.upgrades import is_upgraded
from holystone.store.events import RUNNING, TERMINAL
from holystone.store.flavours import Flavour
from holystone.store.tables import executions, history, instances, orchestrator_queue, worker_queue
from holystone.store.work_item import WORK_ITEM_SHAPES, WorkItem

STARTING = ("StartOrchestration", "ContinueAsNew")
"""The kinds of message that start an instance which has no row yet."""
FOR_WORKERS = ("ActivityExecute",)
"""The kinds of message that go to worker_queue; all others go to orchestrator_queue."""
ANSWERS = {
    "ActivityCompleted": ("execution_id", "id", "ActivityScheduled"),
    "ActivityFailed": ("execution_id", "id", "ActivityScheduled"),
    "TimerFired": ("execution_id", "id", "TimerCreated"),
    "SubOrchCompleted": ("parent_execution_id", "parent_id", "SubOrchestrationScheduled"),
    "SubOrchFailed": ("parent_execution_id", "parent_id", "SubOrchestrationScheduled"),
}
"""Kind of a message -> its fields that name an execution and an event of it, and the type of that event."""
READABLE = "readable"
OUTSTANDING = "outstanding"
IDENTITY = ("instance_id", "execution_id", "activity_id")
"""The columns of an activity by which it is cancelled; NULL, all three, in rows that are older than the columns."""
ROUTING = ("session_id", "tag")
"""The columns of an activity that say which worker takes it."""

# The fields that the columns are copies of.
_FIELDS = {"execution_id": "execution_id", "activity_id": "id", "session_id": "session_id", "tag": "tag"}
_OVER = ("ActivityCompleted", "ActivityFailed", "ActivityCancelRequested")


class QueueSource:
    """The messages of a queue."""

    def __init__(self, flavour: Flavour, queue: Table, within: Conditions) -> None:
        self.flavour = flavour
        self._kinds = [kind for kind in WORK_ITEM_SHAPES if (kind in FOR_WORKERS) == (queue is worker_queue)]
        self._has_due_time = flavour.has(queue.c.visible_at)
        self.rows: FromClause = select(*flavour.columns_of(queue)).where(*within).subquery("message")
        self._message = self.rows.c
        self.key: Sequence[ColumnElement[Any]] = (self._message.id,)
        self.attempt_count: ColumnElement[int] = self._message.attempt_count
        self._item: ColumnElement[str] = self._message.work_item

    @property
    def comes_due(self) -> ColumnElement[bool]:
        """The time from which it may be fetched is one that ever comes."""
        return self.flavour.queue_time_well_formed(self._message.visible_at) if self._has_due_time else true()

    @property
    def readable(self) -> ColumnElement[bool]:
        """Surely one that the engine can read; the facts decide on the others."""
        return self.flavour.messages.is_readable(self._item, self._kinds)

    def _says(self, column: str) -> ColumnElement[bool]:
        return self.flavour.messages.says(self._item, _FIELDS.get(column, "instance"), self._message[column])


class MessageSource(QueueSource):
    """The messages for instances."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        super().__init__(flavour, orchestrator_queue, within)
        self._starts = or_(*(flavour.messages.is_kind(self._item, kind) for kind in STARTING))

    @property
    def instance_absent(self) -> ColumnElement[bool]:
        """The instance has no row, and the message is none that makes it one."""
        return and_(not_(there_is(instances.c.instance_id == self._message.instance_id)), not_(self._starts))

    @property
    def addressed(self) -> ColumnElement[bool]:
        """Surely for the instance of the column; what a child tells names the parent, and maybe the child."""
        messages, instance_id = self.flavour.messages, self._message.instance_id
        names = {name: messages.says(self._item, name, instance_id) for name in ("instance", "parent_instance")}
        return self._by_kind(
            {kind: names["parent_instance"] for kind in ANSWERS if kind.startswith("SubOrch")}, names["instance"]
        )

    @property
    def answers(self) -> ColumnElement[bool]:
        """It is no answer, or surely one to an event of the instance, or to another execution than the current one."""
        messages = self.flavour.messages
        asked: dict[str, ColumnElement[bool]] = {}
        for kind, (execution, number, asking) in ANSWERS.items():
            execution_id = messages.number(self._item, kind, execution)
            event = and_(
                history.c.instance_id == self._message.instance_id,
                history.c.execution_id == execution_id,
                history.c.event_id == messages.number(self._item, kind, number),
                self.flavour.event_says_type(history.c.event_data, asking),
            )
            current = and_(
                instances.c.instance_id == self._message.instance_id, instances.c.current_execution_id == execution_id
            )
            answered = or_(there_is(event), not_(there_is(current)))
            asked[kind] = and_(execution_id.is_not(None), answered)
        return self._by_kind(asked, true())

    def _by_kind(
        self, conditions: Mapping[str, ColumnElement[bool]], other: ColumnElement[bool]
    ) -> ColumnElement[bool]:
        """Return the condition for the message's kind, `other` for those not named; false where it shows no kind."""
        kinds = [(self.flavour.messages.is_kind(self._item, kind), conditions.get(kind, other)) for kind in self._kinds]
        return case(*kinds, else_=false())

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [
            *self.key,
            self._message.instance_id,
            self._item,
            self.attempt_count,
            self._message.created_at,
            self._message.visible_at,
            self.comes_due.label("comes_due"),
            self.instance_absent.label("instance_absent"),
            self.answers.label("answers"),
        ]


class WorkerItemSource(QueueSource):
    """The activities that wait for a worker, each with its instance, its execution and the event that scheduled it."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        super().__init__(flavour, worker_queue, within)
        message = self._message
        self._execution = executions.alias("execution").c
        self._scheduled = history.alias("scheduled").c
        of_execution = and_(
            self._execution.instance_id == message.instance_id, self._execution.execution_id == message.execution_id
        )
        of_event = and_(
            self._scheduled.instance_id == message.instance_id,
            self._scheduled.execution_id == message.execution_id,
            self._scheduled.event_id == message.activity_id,
        )
        self.rows = self.rows.outerjoin(self._execution.instance_id.table, of_execution).outerjoin(
            self._scheduled.instance_id.table, of_event
        )

    @property
    def in_doubt(self) -> ColumnElement[bool]:
        """The execution is gone or ended, or its history has no such activity; the facts tell what is the matter."""
        return or_(
            self._execution.status.is_(None),
            self._execution.status != RUNNING,
            self._scheduled.event_data.is_(None),
            not_(self.flavour.event_says_type(self._scheduled.event_data, "ActivityScheduled")),
            last_event_ends(self.flavour, self._message.instance_id, self._message.execution_id),
        )

    @property
    def identified(self) -> ColumnElement[bool]:
        """Surely the activity that the columns say."""
        return and_(*(self._says(column) for column in (*IDENTITY, *ROUTING)))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [
            *self.key,
            *(self._message[column] for column in (*IDENTITY, *ROUTING)),
            self._item,
            self.attempt_count,
            self._message.created_at,
            self._message.visible_at,
            self.comes_due.label("comes_due"),
            self.in_doubt.label("in_doubt"),
        ]


@dataclass(frozen=True)
class QueueFacts:
    """One message.

    `fault` says why the engine cannot read it or take it from this queue, and `item` is None then. `due_at` is what
    visible_at should hold where its time never comes: the moment that it names, or else that of its making.
    """

    row_id: int
    columns: Mapping[str, Any]
    item: WorkItem | None
    fault: str | None
    attempt_count: int
    visible_at: Any
    due_at: Any

    @property
    def instance_id(self) -> str | None:
        instance_id: str | None = self.columns["instance_id"]
        return instance_id

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "id": self.row_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {}

    @property
    def known(self) -> bool:
        """A message of a kind that this version knows, in the right queue; a newer engine has others."""
        return self.item is not None and self.item.unknown is None

    def observed(self, column: str) -> Any:
        if column == "work_item":
            return self.fault or READABLE
        return self.columns[column] if column in self.columns else getattr(self, column)

    def decided(self, column: str) -> bool:
        return column in ("work_item", "visible_at") or (self.known and column in self.columns)

    def expected(self, column: str) -> Any:
        if column == "work_item":
            return READABLE
        if column == "visible_at":
            return self.due_at
        assert self.item is not None
        return self.item.instance_id if column == "instance_id" else self.item.fields.get(_FIELDS[column])


@dataclass(frozen=True)
class MessageFacts(QueueFacts):
    """A message for an instance.

    `dead` is whether nothing will ever take it: there is no instance, and none to be. `stray` is whether it answers
    what the current execution of the instance, which runs, has not asked. `is_misplaced` is whether it surely is of
    the instance that it names, and not of the one under which it lies.
    """

    dead: bool
    stray: bool
    is_misplaced: bool

    def observed(self, column: str) -> Any:
        if column == "instance":
            return "absent" if self.dead else "present"
        if column == "asked_by":
            return "nothing" if self.stray else "an event"
        return super().observed(column)

    def decided(self, column: str) -> bool:
        return column in ("instance", "asked_by") or super().decided(column)

    def expected(self, column: str) -> Any:
        beside = {"instance": "present", "asked_by": "an event"}
        return beside[column] if column in beside else super().expected(column)


@dataclass(frozen=True)
class WorkerItemFacts(QueueFacts):
    """An activity that waits for a worker; `fate` says why none should take it, OUTSTANDING where one should."""

    fate: str

    def observed(self, column: str) -> Any:
        return self.fate if column == "activity" else super().observed(column)

    def decided(self, column: str) -> bool:
        if column == "activity":
            return True
        older_than_columns = column in IDENTITY and all(self.columns[name] is None for name in IDENTITY)
        return super().decided(column) and not older_than_columns

    def expected(self, column: str) -> Any:
        return OUTSTANDING if column == "activity" else super().expected(column)


F = TypeVar("F", bound=QueueFacts)


class QueueRelation(Relation[F]):
    """The messages of one queue."""

    is_for_worker: ClassVar[bool]
    follows_acks = False

    @property
    def span_column(self) -> Column[Any]:
        return self.table.c.id

    @abstractmethod
    def facts(self, reader: Reader, row: Any) -> F: ...

    def _read(self, reader: Reader, text: Any) -> tuple[WorkItem | None, str | None]:
        """Return the message, or else what is the matter with it, in a few words.

        What newer engines cannot read any more is a fault only once one of those has upgraded the store.
        """
        try:
            item = reader.flavour.messages.read(text, for_worker=self.is_for_worker)
        except RecordError as error:
            return None, _printable(error.why)
        if item.kind in WORK_ITEM_SHAPES and item.is_for_worker != self.is_for_worker:
            return None, f"{item.kind} in {self.table.name}"
        if item.was_removed and is_upgraded(reader):
            return None, f"newer engines do not know {item.unknown!r} any more"
        return item, None


def _due_at(reader: Reader, row: Any) -> Any:
    if row.comes_due:
        return row.visible_at
    ms = reader.flavour.to_ms(row.visible_at)
    return reader.flavour.queue_time(ms or reader.flavour.to_ms(row.created_at) or 0)


def _printable(text: str) -> str:
    """Return what is the matter without anything of the message's own in it that no terminal could show."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text[:200])


class Messages(QueueRelation[MessageFacts]):
    name = "messages"
    table = orchestrator_queue
    is_for_worker = False

    def source(self, flavour: Flavour, within: Conditions) -> MessageSource:
        return MessageSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> MessageFacts:
        item, fault = self._read(reader, row.work_item)
        dead = row.instance_absent and item is not None and _is_dead(reader, row, item)
        stray = not row.answers and item is not None and _is_stray(reader, row, item)
        columns = {"instance_id": row.instance_id}
        return MessageFacts(
            row.id,
            columns,
            item,
            fault,
            row.attempt_count,
            row.visible_at,
            _due_at(reader, row),
            dead,
            stray,
            item is not None and item.instance_id != row.instance_id and _is_misplaced(reader, row.instance_id, item),
        )


def _is_misplaced(reader: Reader, instance_id: str, item: WorkItem) -> bool:
    """Return whether a message is not of the instance under which it lies, but of the one that it names.

    Either of the two may have been altered. An answer is of whoever has asked for it; any other message surely is not
    of an instance that is not there.
    """
    if item.instance_id is None:
        return False
    if item.kind not in ANSWERS:
        return not _is_known(reader, instance_id) and _is_known(reader, item.instance_id)
    return _has_asked(reader, item.instance_id, item) and not _has_asked(reader, instance_id, item)


def _is_known(reader: Reader, instance_id: str) -> bool:
    there = select(instances.c.instance_id).where(instances.c.instance_id == instance_id)
    return reader.connection.execute(there).first() is not None or _is_to_be(reader, instance_id)


def _has_asked(reader: Reader, instance_id: str, item: WorkItem) -> bool:
    """Return whether an event of the instance asks for the answer that the message is."""
    execution, number, asking = ANSWERS[item.kind]
    events = reader.history(instance_id, item.fields[execution])
    return any(event.event_id == item.fields[number] and event.type == asking for event in events)


def _is_dead(reader: Reader, row: Any, item: WorkItem) -> bool:
    """Return whether a message for an instance without a row is none that only came a little early.

    The engine throws a QueueMessage away that came before its instance; all other kinds stay and wait for it.
    """
    if item.kind in (*STARTING, "QueueMessage") or item.instance_id != row.instance_id:
        return False
    if not reader.is_settled(row.visible_at if row.created_at is None else row.created_at):
        return False
    return not reader.once(("to be", row.instance_id), lambda: _is_to_be(reader, row.instance_id))


def _is_to_be(reader: Reader, instance_id: str) -> bool:
    """Return whether the instance is being started, or has begun: the engine goes by its history, then."""
    queue = orchestrator_queue
    starts = or_(*(queue.c.work_item.contains(kind, autoescape=True) for kind in STARTING))
    for text in reader.connection.execute(
        select(queue.c.work_item).where(queue.c.instance_id == instance_id, starts)
    ).scalars():
        try:
            if reader.flavour.messages.read(text, for_worker=False).kind in STARTING:
                return True
        except RecordError:
            continue
    return any(row.type == "OrchestrationStarted" for row in reader.history(instance_id))


def _is_stray(reader: Reader, row: Any, item: WorkItem) -> bool:
    """Return whether the message answers what the current execution has not asked.

    The engine passes over answers to other executions, and over all that come once the execution has ended.
    """
    if item.kind not in ANSWERS or item.instance_id != row.instance_id:
        return False
    execution, number, asking = ANSWERS[item.kind]
    kinds = reader.once(("running", row.instance_id), lambda: _running(reader, row.instance_id))
    if not kinds or item.fields[execution] != kinds[0]:
        return False
    return kinds[1].get(item.fields[number], "") not in (asking, None)


def _running(reader: Reader, instance_id: str) -> tuple[int, Mapping[int, str | None]] | None:
    """Return the current execution, and the type of each of its events; None where it does not run."""
    current = select(instances.c.current_execution_id).where(instances.c.instance_id == instance_id)
    execution_id = reader.connection.execute(current).scalar_one_or_none()
    if execution_id is None:
        return None
    kinds = {row.event_id: row.type for row in reader.history(instance_id, execution_id)}
    return (execution_id, kinds) if kinds and not TERMINAL.keys() & set(kinds.values()) else None


class WorkerItems(QueueRelation[WorkerItemFacts]):
    name = "worker_items"
    table = worker_queue
    is_for_worker = True

    def source(self, flavour: Flavour, within: Conditions) -> WorkerItemSource:
        return WorkerItemSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> WorkerItemFacts:
        item, fault = self._read(reader, row.work_item)
        columns = {column: getattr(row, column) for column in (*IDENTITY, *ROUTING)}
        fate = OUTSTANDING
        if row.in_doubt and item is not None and item.kind in WORK_ITEM_SHAPES:
            fate = _fate(reader, row, item)
        return WorkerItemFacts(
            row.id, columns, item, fault, row.attempt_count, row.visible_at, _due_at(reader, row), fate
        )


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
    found = select(there_is(instances.c.instance_id == instance_id), there_is(execution))
    has_instance, has_execution = reader.connection.execute(found).one()
    if has_instance:
        return OUTSTANDING if has_execution else "execution-gone"
    old = reader.is_settled(row.visible_at if row.created_at is None else row.created_at)
    return "instance-gone" if old else OUTSTANDING


def _activities(events: Sequence[EventRow]) -> tuple[dict[int, str | None], set[int]]:
    """Return the type of each event, None of one that cannot be read, and which activities have come to an end."""
    sources = [row.event.get("source_event_id") for row in events if row.event is not None and row.type in _OVER]
    return {row.event_id: row.type for row in events}, {source for source in sources if isinstance(source, int)}


MESSAGES = Messages()
WORKER_ITEMS = WorkerItems()

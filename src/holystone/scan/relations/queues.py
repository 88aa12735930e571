"""Queue facts: what the messages of both queues have in common."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Column, ColumnElement, FromClause, Subquery, Table, and_, false, func, not_, select, true

from holystone.duroxide.releases import NEWEST_IN_WORDS
from holystone.duroxide.tables import worker_queue
from holystone.duroxide.work_item import FOR_WORKERS, WORK_ITEM_SHAPES, WorkItem
from holystone.errors import RecordError
from holystone.flavours import Flavour
from holystone.flavours.times import APART_MS, DAY_MS, MOST_ATTEMPTS
from holystone.scan.compared import Compared
from holystone.scan.long_texts import LONG, unless_long
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.upgrades import has_met_newer, is_upgraded
from holystone.scan.row_facts import RowFacts

READABLE = "readable"

# The fields that the columns are copies of.
_FIELDS = {"execution_id": "execution_id", "activity_id": "id", "session_id": "session_id", "tag": "tag"}


class QueueSource:
    """The messages of a queue."""

    def __init__(self, flavour: Flavour, queue: Table, within: Conditions) -> None:
        self.flavour = flavour
        self._kinds = [kind for kind in WORK_ITEM_SHAPES if (kind in FOR_WORKERS) == (queue is worker_queue)]
        self._has_due_time = flavour.has(queue.c.visible_at)
        self._has_attempts = flavour.has(queue.c.attempt_count)
        self._have(messages_of(flavour, queue, within))

    def _have(self, rows: Subquery) -> None:
        self.rows: FromClause = rows
        self._message = rows.c
        self.key: Sequence[ColumnElement[Any]] = (self._message.id,)
        self.attempt_count: ColumnElement[int] = self._message.attempt_count
        # A long one says nothing here, and so nothing surely.
        self._item: ColumnElement[str] = self._message.item

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [
            *self.key,
            self._message.work_item,
            self._message.is_long,
            self.attempt_count,
            self._message.created_at,
            self._message.visible_at,
            self.comes_due.label("comes_due"),
            self._due_ms.label("due_ms"),
        ]

    @property
    def comes_due(self) -> ColumnElement[bool]:
        """The time from which it may be fetched is one that ever comes."""
        return self.flavour.times.comes(self._message.visible_at) if self._has_due_time else true()

    @property
    def mistimed(self) -> ColumnElement[bool]:
        """It may be fetched from another time than it asks for; the facts decide."""
        return and_(self.comes_due, self._is_put_off) if self._has_due_time else false()

    @property
    def counts(self) -> ColumnElement[bool]:
        """The engine can count its attempts; the first versions did not."""
        return self.flavour.times.is_count(self.attempt_count) if self._has_attempts else true()

    @property
    def _due_ms(self) -> ColumnElement[int]:
        return self.flavour.times.due_ms(self._message.visible_at)

    @property
    def _is_put_off(self) -> ColumnElement[bool]:
        """It is due later than a new message can be; none asks to wait but a timer's."""
        return func.coalesce(self._due_ms > self.flavour.times.clock_ms + APART_MS, false())

    @cached_property
    def may_be_unreadable(self) -> ColumnElement[bool]:
        """Not surely one that the engine can read; the facts decide. It is a long expression, and checks share it."""
        return not_(self.flavour.messages.is_readable(self._item, self._kinds))

    def _says(self, column: str) -> ColumnElement[bool]:
        says = self.flavour.messages.says(self._item, _FIELDS.get(column, "instance"), self._message[column])
        return and_(not_(func.coalesce(self._message.is_long, false())), says)


def messages_of(
    flavour: Flavour,
    queue: Table,
    within: Conditions,
    names: Collection[str] | None = None,
    correlate: Sequence[FromClause] = (),
) -> Subquery:
    """Return the rows of a queue with these of its columns, or all; work_item is NULL, `item` empty where `is_long`.

    `work_item_of` reads such a one. SQLite keeps a copy of a text for each place of a statement that names it.
    """
    columns = [one for one in flavour.columns_of(queue) if names is None or one.name in names]
    text = queue.c.work_item
    others = [one for one in columns if one.name != text.name]
    short, length = unless_long(flavour, text).label(text.name), flavour.length(text).label("length")
    # The offset changes no row, and keeps the text from being named anew in each place.
    read = select(*others, short, length).where(*within).offset(0)
    message = (read.correlate(*correlate) if correlate else read).subquery("read").c
    item, has_long = func.coalesce(message.work_item, "").label("item"), (message.length > LONG).label("is_long")
    return select(*(message[one.name] for one in others), message.work_item, item, has_long).subquery("message")


def work_item_of(reader: Reader, queue: Table, row: Any) -> Any:
    """Return the text of a message that was fetched from `messages_of`."""
    if not row.is_long:
        return row.work_item
    return reader.long_text(select(queue.c.work_item).where(queue.c.id == row.id))


class QueueFacts(RowFacts, frozen=True):
    """One message.

    `fault` says why the engine cannot read it or take it from this queue, and `item` is None then.
    """

    row_id: int
    columns: Mapping[str, Any]
    item: WorkItem | None
    fault: str | None
    attempt_count: Compared[Any]
    visible_at: Compared[Any]

    @property
    def instance_id(self) -> str | None:
        instance_id: str | None = self.columns["instance_id"]
        return instance_id

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "id": self.row_id}

    @property
    def is_counted(self) -> bool:
        """Whether the engine can count its attempts."""
        return not self.attempt_count.differs

    @property
    def known(self) -> bool:
        """A message of a kind that this version knows, in the right queue; a newer engine has others."""
        return self.item is not None and self.item.unknown is None

    @property
    def work_item(self) -> Compared[str]:
        return Compared("work_item", self.fault or READABLE, READABLE)

    @property
    def copies(self) -> Sequence[Compared[Any]]:
        """The columns that say what the message says as well; none where nobody knows what it says."""
        if self.item is None or not self.known:
            return []
        return [Compared(name, value, _said(self.item, name)) for name, value in self.columns.items()]


def _said(item: WorkItem, column: str) -> Any:
    return item.instance_id if column == "instance_id" else item.fields.get(_FIELDS[column])


S = TypeVar("S", bound=QueueSource, covariant=True)
F = TypeVar("F", bound=QueueFacts, covariant=True)


class QueueRelation(Relation[S, F]):
    """The messages of one queue."""

    is_for_worker: ClassVar[bool]
    rows_are_of_table = True
    follows_acks = False
    asks_at_length = True

    @property
    def range_column(self) -> Column[Any]:
        return self.table.c.id

    @abstractmethod
    def facts(self, reader: Reader, row: Any) -> F: ...

    def _read(self, reader: Reader, text: Any) -> tuple[WorkItem | None, str | None]:
        """Return the message, or else what is the matter with it, in a few words.

        What newer engines cannot read any more is a fault only once one of those has upgraded the store, and what is
        unknown here only where no engine has used the store that is newer than those known here.
        """
        try:
            item = reader.flavour.messages.read(text, for_worker=self.is_for_worker)
        except RecordError as error:
            return None, _printable(error.why)
        if item.kind in WORK_ITEM_SHAPES and item.is_for_worker != self.is_for_worker:
            return None, f"{item.kind} in {self.table.name}"
        if item.was_removed and is_upgraded(reader):
            return None, f"newer engines do not know {item.unknown!r} any more"
        if item.unknown is not None and not item.was_removed and not has_met_newer(reader):
            return None, f"no engine up to {NEWEST_IN_WORDS} knows {_printable(repr(item.unknown))}"
        return item, None


def attempts_of(row: Any) -> Compared[Any]:
    """Return how often a message was fetched, if the engine can count that; None is what the first versions have."""
    count = row.attempt_count
    counts = count is None or (isinstance(count, int) and 0 <= count <= MOST_ATTEMPTS)
    return Compared("attempt_count", count, count if counts else 0)


def due_time_of(reader: Reader, row: Any, item: WorkItem | None) -> Compared[Any]:
    """Return from when on a message is due: what it is, unless that is no time or none that the message asks for."""
    return Compared("visible_at", row.visible_at, _due_at(reader, row, item))


def _due_at(reader: Reader, row: Any, item: WorkItem | None) -> Any:
    """Return what visible_at should hold, in the form of the flavour.

    What a message asks for decides: a timer its own time, and all others none, so that they are due from their making
    on. A text may have been meant as a moment. What cannot be read, or is a newer engine's, may ask for any time.
    """
    is_known = item is not None and item.kind in WORK_ITEM_SHAPES
    fires = _fires_ms(reader, item) if item is not None and is_known else None
    if row.comes_due and not (is_known and _is_mistimed(reader.now_ms, row, fires)):
        return row.visible_at
    if fires is not None:
        return reader.flavour.queue_time(fires)
    moments = [row.created_at] if row.comes_due else [row.visible_at, row.created_at]
    past = (ms for moment in moments if (ms := reader.flavour.to_ms(moment)) is not None and 0 <= ms <= reader.now_ms)
    return reader.flavour.queue_time(next(past, 0))


def _fires_ms(reader: Reader, item: WorkItem) -> int | None:
    """Return the time that a timer asks for, in ms; None where it is none, or one that the database cannot have."""
    fires: int | None = item.fields["fire_at_ms"] if item.kind == "TimerFired" else None
    return fires if fires is not None and 0 < fires <= reader.flavour.times.latest_ms else None


def _is_mistimed(now_ms: int, row: Any, fires: int | None) -> bool:
    """Return whether a message is due at a time at which the engine cannot have put it.

    A message that nobody has fetched yet is where it was put; one that was may have been backed off, or have been taken
    by a process whose clock is ahead. The engine puts a timer at its own time to the ms, and all others at the time of
    their making. A timer that is due already comes to no harm by a time too early.
    """
    untouched = row.attempt_count == 0
    latest = now_ms + (APART_MS if untouched else DAY_MS)
    if fires is None:
        return row.due_ms is not None and row.due_ms > latest
    if row.due_ms is None or row.due_ms < fires - 1:
        return fires > now_ms + (0 if untouched else APART_MS)
    return bool(row.due_ms > max(fires, latest) + 1)


def _printable(text: str) -> str:
    """Return what is the matter without anything of the message's own in it that no terminal could show."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text[:200])

"""What there is of one instance, read in one snapshot; what cannot be read is told, and hides nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, Table, Text, func, literal, or_, select
from sqlalchemy.exc import DBAPIError

from holystone.diagnosis.blockades import Blockade, blockades
from holystone.diagnosis.short_history import ShortEvent, shortened
from holystone.duroxide.event_types import EVENT_TYPES, START, TERMINAL
from holystone.duroxide.outcome import Outcome
from holystone.duroxide.replay import dropped, open_subscriptions, unanswered
from holystone.duroxide.tables import (
    VERSION_COLUMNS,
    executions,
    history,
    instance_locks,
    instances,
    orchestrator_queue,
    sessions,
    worker_queue,
)
from holystone.duroxide.work_item import ANSWERS, WorkItem
from holystone.errors import StoreUnavailableError
from holystone.flavours.savepoint import savepoint
from holystone.scan.long_texts import unless_long
from holystone.scan.reader import Reader
from holystone.scan.relations import wakeup_sources
from holystone.scan.relations.answers import never_answered
from holystone.scan.relations.decode import outcome_of, read_events
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.queues import QueueFacts, QueueRelation
from holystone.scan.relations.wakeup_sources import Child
from holystone.scan.relations.worker_items import WORKER_ITEMS

T = TypeVar("T")

MOST = 100
"""Rows of a kind that are kept to be shown, the last ones; all are counted."""
NEVER = 2**63 - 1
"""The moment, in ms, of what never comes."""


@dataclass(frozen=True)
class Unread:
    """A part that could not be read, and why."""

    what: str
    reason: str
    next_step: str


@dataclass(frozen=True)
class Queued:
    """A row of a queue. `due_ms` is when the engine may take it: its own time, and the end of its lock if it has one.

    `put_off_ms` is its own time alone, `locked_until_ms` the end of its lock; NEVER where either never comes, and None
    where it has no lock.
    """

    row_id: Any
    item: WorkItem | None
    fault: str | None
    put_off_ms: int
    locked_until_ms: int | None
    created_ms: int | None
    attempts: int | None
    session_id: str | None = None
    tag: str | None = None
    identity: tuple[Any, ...] = ()
    """Instance, execution and event by the columns of worker_queue."""

    @property
    def due_ms(self) -> int:
        return max(self.put_off_ms, self.locked_until_ms or 0)

    @property
    def kind(self) -> str | None:
        return None if self.item is None else self.item.kind


@dataclass(frozen=True)
class History:
    """The current execution by its events: what it has asked for, and how it has ended.

    `events` are None where one of them cannot be read, which `unreadable` is then, or the beginning is missing.
    """

    rows: Sequence[ShortEvent]
    events: Sequence[Mapping[str, Any]] | None
    unreadable: ShortEvent | None
    outcome: Outcome | None

    @property
    def end(self) -> Mapping[str, Any] | None:
        """The last terminal event, also where how it ended is not known here; None where it is not the last one."""
        if not self.rows or (self.unreadable is not None and self.unreadable is not self.rows[-1]):
            ends = self.rows[-1:]
        else:
            ends = self.rows
        events = (row.event for row in reversed(ends))
        return next((event for event in events if event is not None and event["type"] in TERMINAL), None)


@dataclass
class Facts:
    """One instance. A part that is missing in the store is None or empty, and so is one in `unread`.

    `pin` is the version of the engine that the current execution is pinned to, as its row has it. `unreadable_halts` is
    whether no fetch survives the event that cannot be read.
    """

    instance_id: str
    now_ms: int
    row: Mapping[str, Any] | None = None
    execution_id: int | None = None
    execution_status: str | None = None
    history: History | None = None
    messages: Sequence[Queued] = ()
    activities: Sequence[Queued] = ()
    lock: Mapping[str, Any] | None = None
    sessions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lost: Mapping[int, str] = field(default_factory=dict)
    children: Mapping[int, Child] = field(default_factory=dict)
    blockades: Sequence[Blockade] = ()
    pin: tuple[int | None, ...] = ()
    unreadable_halts: bool = False
    parent: str | None = None
    parent_is_there: bool | None = None
    unread: list[Unread] = field(default_factory=list)

    @property
    def is_in_turn(self) -> bool:
        return self.lock is not None and lock_end(self.lock["locked_until"]) > self.now_ms

    @property
    def has_begun(self) -> bool | None:
        """Whether the current execution has a history; None where that was not read."""
        if any(one.what in ("instances", "executions", "history") for one in self.unread):
            return None
        return self.history is not None and len(self.history.rows) > 0

    @property
    def waits_for(self) -> Sequence[Mapping[str, Any]]:
        """The activities, timers and children that have not answered and were not given up."""
        events = self._events
        given_up = dropped(events)
        return [event for event in unanswered(events) if event["event_id"] not in given_up]

    @property
    def subscriptions(self) -> Sequence[Mapping[str, Any]]:
        return open_subscriptions(self._events)

    @property
    def _events(self) -> Sequence[Mapping[str, Any]]:
        return () if self.history is None else self.history.events or ()

    def answers(self, message: Queued) -> tuple[str, int] | None:
        """Return type and id of the event that a message answers; None where that is none of the current execution."""
        item = message.item
        if item is None or item.kind not in ANSWERS:
            return None
        answer = ANSWERS[item.kind]
        is_of_execution = item.fields[answer.execution_id] == self.execution_id
        return (answer.asked_by, item.fields[answer.event_id]) if is_of_execution else None


def lock_end(locked_until: Any) -> int:
    """Return when a lock ends, in ms; NEVER for what the engine takes for no time that comes."""
    if not isinstance(locked_until, int | float) or locked_until >= NEVER:
        return NEVER
    return int(max(locked_until, 0))


class FactsReader:
    """Reads the facts of one instance, part by part."""

    def __init__(self, reader: Reader, instance_id: str) -> None:
        self.reader = reader
        self.facts = Facts(instance_id, reader.now_ms)

    def read(self) -> Facts:
        """Return all facts."""
        facts = self.facts
        facts.row = self.part("instances", self._row, None)
        facts.execution_id = self.part("executions", self._current, None)
        facts.history = self.part("history", self._history, None)
        facts.messages = self.part("orchestrator_queue", self._messages, ())
        facts.lock = self.part("instance_locks", self._lock, None)
        facts.activities = self.part("worker_queue", self._activities, ())
        facts.sessions = self.part("sessions", self._sessions, {})
        if facts.history is not None and facts.history.outcome is not None and facts.history.events is not None:
            facts.children = self.part("children", self._children, {})
            facts.lost = self.part("answers", self._lost, {})
        facts.blockades = self.part("the queues as a whole", self._blockades, [])
        self.part("parent", self._parent, None)
        return facts

    def part(self, what: str, read: Callable[[], T], otherwise: T) -> T:
        """Return what `read` returns, `otherwise` where the database does not let it be read, which is noted."""
        try:
            with savepoint(self.reader.connection):
                return read()
        except DBAPIError as error:
            explained = self.reader.flavour.translate_error(error)
        except StoreUnavailableError as error:
            explained = error
        if not any(one.reason == explained.message for one in self.facts.unread):
            self.facts.unread.append(Unread(what, explained.message, explained.next_step))
        return otherwise

    def rows(self, table: Table, *conditions: ColumnElement[bool]) -> Select[Any]:
        """Return the select of a table's rows of the instance, without long texts."""
        columns = (
            unless_long(self.reader.flavour, one).label(one.name) if one.name in _LONG else one
            for one in self.reader.flavour.columns_of(table)
        )
        return select(*columns).where(table.c.instance_id == self.facts.instance_id, *conditions)

    def _row(self) -> Mapping[str, Any] | None:
        row = self.reader.connection.execute(self.rows(instances)).first()
        return None if row is None else row._asdict()

    def _current(self) -> int | None:
        """Return the current execution: of an instance without a row, the last one that there is anything of."""
        if self.facts.row is not None:
            current = self.facts.row["current_execution_id"]
        else:
            newest = [
                select(func.max(table.c.execution_id)).where(table.c.instance_id == self.facts.instance_id)
                for table in (executions, history)
            ]
            numbers = [self.reader.connection.execute(one).scalar_one() for one in newest]
            current = max((number for number in numbers if isinstance(number, int)), default=None)
        if not isinstance(current, int):
            return None
        row = self.reader.connection.execute(self.rows(executions, executions.c.execution_id == current)).first()
        if row is not None:
            self.facts.execution_status = row.status
            self.facts.pin = tuple(row._mapping[name] for name in VERSION_COLUMNS)
        return current

    def _history(self) -> History | None:
        if self.facts.execution_id is None:
            return None
        rows = self.reader.history(self.facts.instance_id, self.facts.execution_id)
        short = [row for row in rows if isinstance(row, ShortEvent)]
        unreadable = next((row for row in short if row.type not in EVENT_TYPES), None)
        events = read_events(rows)
        if unreadable is not None and unreadable.fault is not None:
            text = unreadable.event_data
            self.facts.unreadable_halts = isinstance(text, str) and not self.reader.flavour.engine_can_decode(text)
        outcome = outcome_of(rows) if rows and (unreadable is not None or short[0].type == START) else None
        return History(short, events, unreadable, outcome)

    def _messages(self) -> Sequence[Queued]:
        of_instance = orchestrator_queue.c.instance_id == self.facts.instance_id
        stamped = self.reader.flavour.messages_carry_expiry
        return self._queued(MESSAGES, of_instance, lambda row: row.lock_token is not None and stamped)

    def _activities(self) -> Sequence[Queued]:
        """Return the activities of the instance, by what they hold: a row may say something else, or nothing."""
        says, item = self.reader.flavour.messages.says, worker_queue.c.work_item
        of_instance = says(item, "instance", literal(self.facts.instance_id, Text))
        if self.reader.flavour.has(worker_queue.c.instance_id):
            of_instance = or_(worker_queue.c.instance_id == self.facts.instance_id, of_instance)
        return self._queued(WORKER_ITEMS, of_instance, lambda row: row.lock_token is not None)

    def _queued(
        self, relation: QueueRelation[Any, QueueFacts], of_instance: ColumnElement[bool], locks: Callable[[Any], bool]
    ) -> Sequence[Queued]:
        source = relation.source(self.reader.flavour, [of_instance])
        lease = [source.rows.c.lock_token, source.rows.c.locked_until]
        rows = select(*source.output(), *lease).select_from(source.rows).order_by(*source.key)
        found = []
        with self.reader.connection.execute(rows.execution_options(yield_per=500)) as result:
            for row in result:
                facts = relation.facts(self.reader, row)
                item = facts.item
                if item is not None:
                    item = WorkItem(item.kind, {name: shortened(one) for name, one in item.fields.items()})
                found.append(
                    Queued(
                        facts.row_id,
                        item,
                        facts.fault,
                        (row.due_ms or 0) if row.comes_due else NEVER,
                        lock_end(row.locked_until) if locks(row) else None,
                        self.reader.flavour.to_ms(row.created_at),
                        row.attempt_count,
                        facts.columns.get("session_id"),
                        facts.columns.get("tag"),
                        tuple(facts.columns.get(name) for name in ("instance_id", "execution_id", "activity_id")),
                    )
                )
        return found

    def _lock(self) -> Mapping[str, Any] | None:
        row = self.reader.connection.execute(self.rows(instance_locks)).first()
        return None if row is None else row._asdict()

    def _sessions(self) -> Mapping[str, Mapping[str, Any]]:
        named = {one.session_id for one in self.facts.activities if isinstance(one.session_id, str)}
        if not named or sessions.name not in self.reader.flavour.stored:
            return {}
        rows = select(sessions).where(sessions.c.session_id.in_(sorted(named)))
        return {row.session_id: row._asdict() for row in self.reader.connection.execute(rows)}

    def _children(self) -> Mapping[int, Child]:
        facts = self.facts
        assert facts.execution_id is not None
        return {
            event["event_id"]: wakeup_sources.child(self.reader, facts.instance_id, facts.execution_id, event)
            for event in facts.waits_for
            if event["type"] == "SubOrchestrationScheduled"
        }

    def _lost(self) -> Mapping[int, str]:
        facts = self.facts
        assert facts.execution_id is not None
        assert facts.history is not None
        assert facts.history.events is not None
        return never_answered(self.reader, facts.instance_id, facts.execution_id, facts.history.events, facts.waits_for)

    def _blockades(self) -> Sequence[Blockade]:
        return self.reader.once("blockades", lambda: blockades(self.reader))

    def _parent(self) -> None:
        facts, parent = self.facts, None
        if facts.history is not None and facts.history.rows and facts.history.rows[0].type == START:
            start = facts.history.rows[0].event
            parent = None if start is None else start.get("parent_instance")
        if parent is None and facts.row is not None:
            parent = facts.row["parent_instance_id"]
        if isinstance(parent, str):
            facts.parent = parent
            found = select(instances.c.instance_id).where(instances.c.instance_id == parent)
            facts.parent_is_there = self.reader.connection.execute(found).first() is not None


_LONG = frozenset({"output", "custom_status", "value"})
"""Columns whose texts can be long."""

"""Message facts: what waits in orchestrator_queue, and what is known of whom it is for.

Sources in microsoft/duroxide: `fetch_orchestration_item` in src/providers/sqlite.rs and in the functions of
microsoft/duroxide-pg, and the dispatchers in src/runtime/dispatchers, which say what becomes of a message.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, literal, not_, or_, select, true

from holystone.duroxide.event_types import TERMINAL
from holystone.duroxide.tables import history, instances, orchestrator_queue
from holystone.duroxide.work_item import ANSWERS, STARTS, WorkItem
from holystone.errors import RecordError
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions
from holystone.scan.relations.addresses import is_known, is_misplaced, is_to_be
from holystone.scan.relations.decode import can_be_looked_up
from holystone.scan.relations.queues import (
    READABLE,
    QueueFacts,
    QueueRelation,
    QueueSource,
    attempts_of,
    due_time_of,
    work_item_of,
)


class MessageSource(QueueSource):
    """The messages for instances."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        super().__init__(flavour, orchestrator_queue, within)
        self._starts = or_(*(flavour.messages.is_kind(self._item, kind) for kind in STARTS))

    @property
    def instance_absent(self) -> ColumnElement[bool]:
        """The instance has no row, and the message is none that makes it one."""
        return and_(not_(exists_lookup(instances.c.instance_id == self._message.instance_id)), not_(self._starts))

    @property
    def addressed(self) -> ColumnElement[bool]:
        """Surely for the instance of the column; what a child tells names the parent, and maybe the child."""
        messages, instance_id = self.flavour.messages, self._message.instance_id
        names = {name: messages.says(self._item, name, instance_id) for name in ("instance", "parent_instance")}
        return self._by_kind(
            {kind: names["parent_instance"] for kind in ANSWERS if kind.startswith("SubOrch")}, names["instance"]
        )

    @property
    def _is_put_off(self) -> ColumnElement[bool]:
        """Of a timer: it does not come when it should, and one of the two times is still to come."""
        clock_ms = self.flavour.times.clock_ms
        fires = self.flavour.messages.number(self._item, "TimerFired", "fire_at_ms")
        right = func.coalesce(self._due_ms == fires, false())
        over = func.coalesce(and_(self._due_ms <= clock_ms, fires <= clock_ms), false())
        is_timer = self.flavour.messages.is_kind(self._item, "TimerFired")
        return case((is_timer, not_(or_(right, over))), else_=super()._is_put_off)

    @property
    def answers(self) -> ColumnElement[bool]:
        """It is no answer, or surely one to an event of the instance, or to another execution than the current one."""
        messages, item, instance_id = self.flavour.messages, self._item, self._message.instance_id
        kinds = {kind: messages.is_kind(item, kind) for kind in self._kinds}
        execution_id, event_id, asked_by = (
            case(*((kinds[kind], told(kind, answer)) for kind, answer in ANSWERS.items()))
            for told in (
                lambda kind, answer: messages.number(item, kind, answer.execution_id),
                lambda kind, answer: messages.number(item, kind, answer.event_id),
                lambda kind, answer: literal(answer.asked_by),
            )
        )
        event = and_(
            history.c.instance_id == instance_id,
            history.c.execution_id == execution_id,
            history.c.event_id == event_id,
            self.flavour.event_says_type(history.c.event_data, asked_by),
        )
        current = and_(instances.c.instance_id == instance_id, instances.c.current_execution_id == execution_id)
        answered = and_(execution_id.is_not(None), or_(exists_lookup(event), not_(exists_lookup(current))))
        is_other = or_(*(is_kind for kind, is_kind in kinds.items() if kind not in ANSWERS))
        return case((is_other, true()), else_=func.coalesce(answered, false()))

    @property
    def begins_child(self) -> ColumnElement[bool]:
        """It begins an instance, and names a parent; or it shows no kind, and the facts decide."""
        messages = self.flavour.messages
        named = or_(*(messages.contains(self._item, literal(f'"parent_instance"{one}"')) for one in messages.colons))
        kinds = [
            (messages.is_kind(self._item, kind), named if kind == "StartOrchestration" else false())
            for kind in self._kinds
        ]
        return case(*kinds, else_=true())

    def _by_kind(
        self, conditions: Mapping[str, ColumnElement[bool]], other: ColumnElement[bool]
    ) -> ColumnElement[bool]:
        """Return the condition for the message's kind, `other` for those not named; false where it shows no kind."""
        # Each condition stands there once, however many kinds it is for: to prepare a statement takes longest.
        kinds: dict[int, list[ColumnElement[bool]]] = {}
        for kind in self._kinds:
            condition = conditions.get(kind, other)
            kinds.setdefault(id(condition), []).append(self.flavour.messages.is_kind(self._item, kind))
        distinct = {id(condition): condition for condition in [*conditions.values(), other]}
        return case(*((or_(*some), distinct[number]) for number, some in kinds.items()), else_=false())

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [*super().output(), self._message.instance_id, self.instance_absent.label("instance_absent")]


class MessageFacts(QueueFacts, frozen=True):
    """A message for an instance.

    `dead` is whether nothing will ever take it: there is no instance, and none to be. `stray` is whether it answers
    what the current execution of the instance, which runs, has not asked. `is_misplaced` is whether it surely is of
    the instance that it names, and not of the one under which it lies. `unasked` is whether it begins the child of an
    instance that has not asked for it, and is to be begun. `miswritten` says why the text is none that the engine could
    read as it stands, where it reads what PostgreSQL prints of it.
    """

    dead: bool
    stray: bool
    is_misplaced: bool
    unasked: bool
    miswritten: str | None

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", not self.dead)

    @property
    def asked_by(self) -> Compared[str]:
        return Compared("asked_by", "nothing" if self.stray else "an event", "an event")

    @property
    def begun_by(self) -> Compared[str]:
        return Compared("begun_by", "nothing" if self.unasked else "an event", "an event")

    @property
    def text(self) -> Compared[str]:
        return Compared("text", self.miswritten or READABLE, READABLE)


class Messages(QueueRelation[MessageSource, MessageFacts]):
    name = "messages"
    table = orchestrator_queue
    is_for_worker = False

    def source(self, flavour: Flavour, within: Conditions) -> MessageSource:
        return MessageSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> MessageFacts:
        text = work_item_of(reader, self.table, row)
        item, fault = self._read(reader, text)
        dead = row.instance_absent and item is not None and _is_dead(reader, row, item)
        stray = item is not None and _is_stray(reader, row, item)
        columns = {"instance_id": row.instance_id}
        return MessageFacts(
            row.id,
            columns,
            item,
            fault,
            attempts_of(row),
            due_time_of(reader, row, item),
            dead,
            stray,
            item is not None and item.instance_id != row.instance_id and is_misplaced(reader, row, item),
            item is not None and item.kind == "StartOrchestration" and _is_unasked(reader, item),
            None if item is None else _fault_of_text(text),
        )


def _is_dead(reader: Reader, row: Any, item: WorkItem) -> bool:
    """Return whether a message for an instance without a row is none that only came a little early.

    The engine throws a QueueMessage away that came before its instance; all other kinds stay and wait for it.
    """
    if item.kind in (*STARTS, "QueueMessage") or item.instance_id != row.instance_id:
        return False
    if not reader.is_settled(row.visible_at if row.created_at is None else row.created_at):
        return False
    return not reader.once(("to be", row.instance_id), lambda: is_to_be(reader, row.instance_id))


def _is_stray(reader: Reader, row: Any, item: WorkItem) -> bool:
    """Return whether the message answers what the current execution has not asked.

    The engine passes over answers to other executions, and over all that come once the execution has ended.
    """
    if item.kind not in ANSWERS or item.instance_id != row.instance_id:
        return False
    answer = ANSWERS[item.kind]
    kinds = reader.once(("running", row.instance_id), lambda: _running(reader, row.instance_id))
    if not kinds or item.fields[answer.execution_id] != kinds[0]:
        return False
    return kinds[1].get(item.fields[answer.event_id], "") not in (answer.asked_by, None)


def _is_unasked(reader: Reader, item: WorkItem) -> bool:
    """Return whether a message begins the child of an instance that is not there, or has surely not asked for it.

    The ack that queues the message appends the event that asks for it; an execution that is pruned shows none. What
    has begun already the engine does not begin again.
    """
    parent, number = item.fields["parent_instance"], item.fields["parent_id"]
    if parent is None or _has_begun(reader, item.instance_id):
        return False
    if number is None or not can_be_looked_up(parent) or not is_known(reader, parent):
        return True
    execution_id = item.fields.get("parent_execution_id")
    if execution_id is None or not can_be_looked_up(execution_id):
        return False
    kinds = {event.event_id: event.type for event in reader.history(parent, execution_id)}
    return bool(kinds) and kinds.get(number, "") not in ("SubOrchestrationScheduled", None)


def _fault_of_text(text: str) -> str | None:
    """Return why a message that can be read as JSONB prints it cannot be read as it stands; None where it can.

    JSONB keeps the last of fields that stand twice, and prints numbers anew: what an engine writes has neither.
    """
    try:
        WorkItem.from_json(text)
    except RecordError as error:
        return error.why
    return None


def _has_begun(reader: Reader, instance_id: str | None) -> bool:
    row = select(instances.c.instance_id).where(instances.c.instance_id == instance_id)
    return reader.connection.execute(row).first() is not None


def _running(reader: Reader, instance_id: str) -> tuple[int, Mapping[int, str | None]] | None:
    """Return the current execution, and the type of each of its events; None where it does not run."""
    current = select(instances.c.current_execution_id).where(instances.c.instance_id == instance_id)
    execution_id = reader.connection.execute(current).scalar_one_or_none()
    if execution_id is None:
        return None
    kinds = {row.event_id: row.type for row in reader.history(instance_id, execution_id)}
    return (execution_id, kinds) if kinds and not TERMINAL.keys() & set(kinds.values()) else None


MESSAGES = Messages()

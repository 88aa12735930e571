"""Wait facts: a current execution that runs, what it waits for, and what is there that could wake it.

An execution goes on only in a turn, and a turn begins only with a message in orchestrator_queue. Messages come from
outside, or from what the execution itself asked for: an activity in worker_queue, a timer (which is a message of
its own, made visible when it fires) or a child. Whoever hands on from one to the next does so in one transaction:
the ack of a turn, and that of an activity. So in no snapshot is an execution between two of them.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_, case, false, func, literal, not_, or_, select

from holystone.duroxide.event_types import CONTINUED_AS_NEW, RUNNING, TERMINAL
from holystone.duroxide.replay import dropped, is_open_to_events, unanswered
from holystone.duroxide.tables import executions, history, instances, not_completed, orchestrator_queue, worker_queue
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.event_text import may_be_of_type
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.long_texts import unless_very_long
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations import wakeup_sources
from holystone.scan.relations.answers import ANSWERING, ASKING, MESSAGES, activities, never_answered
from holystone.scan.relations.decode import read_events
from holystone.scan.relations.queues import messages_of
from holystone.scan.relations.wakeup_sources import Child

NOTHING = "nothing"
_ANYTHING = "anything at all"
_SUBSCRIBING = ("ExternalSubscribed", "ExternalSubscribedPersistent")
_OF_EXECUTION = ("execution_id", "parent_execution_id")
"""The fields of an answer that say for which execution it is: one or the other."""


class RunningSource:
    """The executions that run by their status."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        running = select(executions.c.instance_id, executions.c.execution_id).where(
            *within, not_completed(executions.c.status), executions.c.status.not_in(sorted(TERMINAL.values()))
        )
        # The offset changes no row, and has the few that run picked out before anything is asked about them.
        self.rows: FromClause = running.offset(0).subquery("waiting")
        self.key = (self.rows.c.instance_id, self.rows.c.execution_id)

    @property
    def has_message(self) -> ColumnElement[bool]:
        """A message waits that is for this execution, or for whichever is current."""
        item, messages = self._queued.c.work_item, self.flavour.messages
        return exists_lookup(
            or_(
                not_(messages.contains(item, literal('execution_id":'))),
                messages.says(item, "execution_id", self.rows.c.execution_id),
                messages.says(item, "parent_execution_id", self.rows.c.execution_id),
            ),
            correlate=(self.rows,),
        )

    @cached_property
    def _queued(self) -> FromClause:
        """The messages for the instance; a long one says nothing here, and is left to the facts."""
        of_instance = orchestrator_queue.c.instance_id == self.rows.c.instance_id
        return messages_of(self.flavour, orchestrator_queue, [of_instance], ("work_item",), correlate=[self.rows])

    @property
    def has_activity(self) -> ColumnElement[bool]:
        """An activity of the execution is queued, or in a worker's hands, as far as its row tells of whom it is."""
        if not self._rows_tell_whose:
            return false()
        return exists_lookup(
            worker_queue.c.instance_id == self.rows.c.instance_id,
            worker_queue.c.execution_id == self.rows.c.execution_id,
        )

    @property
    def may_be_stuck(self) -> ColumnElement[bool]:
        """It is current, and its last event neither ends it, nor subscribes to events, nor starts a child that lives.

        Asked of the few for which nothing is queued: it takes reading a row of instances, and one of history.
        """
        last, flavour = self._last_event(), self.flavour
        silent = exists_lookup(
            not_(may_be_of_type(flavour, last, *TERMINAL, *_SUBSCRIBING)),
            not_(and_(may_be_of_type(flavour, last, "SubOrchestrationScheduled"), self._child_lives(last))),
        )
        return and_(self._is_current, silent)

    @property
    def may_ask_nothing(self) -> ColumnElement[bool]:
        """It is current, and its last event neither ends it nor asks for anything."""
        asks_or_ends = may_be_of_type(self.flavour, self._last_event(), *TERMINAL, *_SUBSCRIBING, *ASKING)
        return and_(self._is_current, exists_lookup(not_(asks_or_ends)))

    @property
    def may_lack_answers(self) -> ColumnElement[bool]:
        """It is current, and has asked for more than has come, is queued, or can come from children that live."""
        to_come = self._activities + self._answers
        return and_(self._is_current, self._open > to_come, self._open > to_come + self._children)

    def _last_event(self) -> FromClause:
        events = history.alias("event")
        return (
            select(events.c.event_id, events.c.event_type, events.c.event_data)
            .where(events.c.instance_id == self.rows.c.instance_id, events.c.execution_id == self.rows.c.execution_id)
            .order_by(events.c.event_id.desc())
            .limit(1)
            .correlate(self.rows)
            .subquery("last")
        )

    @property
    def _rows_tell_whose(self) -> bool:
        """Rows of worker_queue name instance and execution: before 0.1.8 only what they hold does, which facts read."""
        return all(map(self.flavour.has, (worker_queue.c.instance_id, worker_queue.c.execution_id)))

    @property
    def _is_current(self) -> ColumnElement[bool]:
        return exists_lookup(
            instances.c.instance_id == self.rows.c.instance_id,
            instances.c.current_execution_id == self.rows.c.execution_id,
        )

    @property
    def _open(self) -> ColumnElement[int]:
        """How many of its requests have no answer in its history."""
        asks, answers = (may_be_of_type(self.flavour, history, *kinds) for kinds in (ASKING, ANSWERING))
        opened = select(func.coalesce(func.sum(case((asks, 1), (answers, -1), else_=0)), 0)).where(
            history.c.instance_id == self.rows.c.instance_id, history.c.execution_id == self.rows.c.execution_id
        )
        return opened.scalar_subquery()

    @property
    def _activities(self) -> ColumnElement[int]:
        if not self._rows_tell_whose:
            return literal(0)
        queued = select(func.count()).where(
            worker_queue.c.instance_id == self.rows.c.instance_id,
            worker_queue.c.execution_id == self.rows.c.execution_id,
        )
        return queued.scalar_subquery()

    @property
    def _answers(self) -> ColumnElement[int]:
        item, messages = self._queued.c.work_item, self.flavour.messages
        of_this = [messages.says(item, name, self.rows.c.execution_id) for name in _OF_EXECUTION]
        # Of two that are the same the engine drops one.
        queued = select(func.count(item.distinct())).where(
            or_(*(messages.is_kind(item, kind) for kind in MESSAGES)), or_(*of_this)
        )
        return queued.correlate(self.rows).scalar_subquery()

    @property
    def _children(self) -> ColumnElement[int]:
        if not self.flavour.has(instances.c.parent_instance_id):
            return literal(0)
        child, its = instances.alias("live_child"), executions.alias("its_current")
        live = (
            select(func.count())
            .select_from(child)
            .join(
                its,
                and_(
                    its.c.instance_id == child.c.instance_id,
                    its.c.execution_id == child.c.current_execution_id,
                    its.c.status.in_([RUNNING, CONTINUED_AS_NEW]),
                ),
            )
            .where(child.c.parent_instance_id == self.rows.c.instance_id)
        )
        return live.scalar_subquery()

    def _child_lives(self, scheduled: FromClause) -> ColumnElement[bool]:
        """A child runs that will answer this event: its start event says so, as engines since 0.1.30 write it.

        A long one says nothing here, and is left to the facts.
        """
        if not self.flavour.has(instances.c.parent_instance_id):
            return false()
        child, its, start = instances.alias("child"), executions.alias("its"), history.alias("start")
        says, start_data = self.flavour.messages.says, unless_very_long(self.flavour, start.c.event_data)
        return exists_lookup(
            child.c.parent_instance_id == self.rows.c.instance_id,
            its.c.instance_id == child.c.instance_id,
            its.c.execution_id == child.c.current_execution_id,
            its.c.status == RUNNING,
            start.c.instance_id == child.c.instance_id,
            start.c.execution_id == child.c.current_execution_id,
            start.c.event_id == 1,
            says(start_data, "parent_id", scheduled.c.event_id),
            says(start_data, "parent_execution_id", self.rows.c.execution_id),
            correlate=(self.rows, scheduled),
        )

    def output(self) -> Sequence[ColumnElement[Any]]:
        return self.key


class RunningFacts(Struct, frozen=True):
    """One execution; `runs` is False where its history ends it, or cannot be relied on.

    `waits_for` are the events that ask for what has not come, as far as the execution has not dropped them, and
    `lost` the ids of those whose answer can never come, each with the cause. `asks` is whether anything is open, be it
    one of those or a subscription: a turn of the engine's that ends with nothing open ends the execution.
    """

    instance_id: str
    execution_id: int
    runs: bool
    can_wake: bool
    asks: bool
    waits_for: tuple[Mapping[str, Any], ...]
    lost: Mapping[int, str]

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "execution_id": self.execution_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"waits_for": [event["event_id"] for event in self.waits_for]}

    @property
    def never_answered(self) -> Sequence[Mapping[str, Any]]:
        return [event for event in self.waits_for if event["event_id"] in self.lost]

    @property
    def woken_by(self) -> Compared[str]:
        return _lacking("woken_by", self.waits_for, decided=self.runs and not self.can_wake)

    @property
    def asks_for(self) -> Compared[str]:
        return _lacking("asks_for", self.waits_for, decided=self.runs and self.can_wake and not self.asks)

    @property
    def answered_by(self) -> Compared[str]:
        return _lacking("answered_by", self.never_answered, decided=self.can_wake and bool(self.never_answered))


def _lacking(name: str, asking: Sequence[Mapping[str, Any]], *, decided: bool) -> Compared[str]:
    """Return that there is nothing, where something should answer these events."""
    events = ", ".join(f"{event['type']} {event['event_id']}" for event in asking)
    return Compared(name, NOTHING, events or _ANYTHING, decided)


class RunningExecutions(Relation[RunningSource, RunningFacts]):
    name = "running_executions"
    table = executions
    # A parent is stuck once its child ends without telling it, and has no turn of its own then.
    follows_acks = False
    # Few executions run, and to find them is most of the work. They are looked at in one range, for all rows in their
    # order are read sooner than by the index.
    counted = False

    def source(self, flavour: Flavour, within: Conditions) -> RunningSource:
        return RunningSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> RunningFacts:
        return self.of_execution(reader, row.instance_id, row.execution_id)

    def of_execution(self, reader: Reader, instance_id: str, execution_id: int) -> RunningFacts:
        """Return the facts of an execution, whatever its row says."""
        key = (instance_id, execution_id)
        events = read_events(reader.history(*key))
        if events is None or any(event["type"] in TERMINAL for event in events):
            return RunningFacts(*key, runs=False, can_wake=False, asks=False, waits_for=(), lost={})
        given_up = dropped(events)
        asked = unanswered(events)
        waits_for = tuple(event for event in asked if event["event_id"] not in given_up)
        lost = never_answered(reader, *key, events, waits_for)
        listens = is_open_to_events(events)
        can_wake = (
            listens
            or wakeup_sources.has_message(reader, *key)
            or wakeup_sources.is_in_turn(reader, key[0])
            or wakeup_sources.has_activity(reader, *key)
            or self._has_child(reader, key, asked)
        )
        return RunningFacts(
            *key, runs=True, can_wake=can_wake, asks=listens or bool(waits_for), waits_for=waits_for, lost=lost
        )

    def _has_child(self, reader: Reader, of: tuple[str, int], asked: Sequence[Mapping[str, Any]]) -> bool:
        scheduled = [event for event in asked if event["type"] == "SubOrchestrationScheduled"]
        return any(wakeup_sources.child(reader, *of, event) is Child.may_answer for event in scheduled)


RUNNING_EXECUTIONS = RunningExecutions()


def would_be_stuck(reader: Reader, instance_id: str, execution_id: int) -> bool:
    """Return whether a current execution whose history has no end, and whose row says so, lacks what takes it on."""
    facts = RUNNING_EXECUTIONS.of_execution(reader, instance_id, execution_id)
    if facts.never_answered or facts.asks_for.decided:
        return True
    return facts.woken_by.decided and not activities(reader, instance_id, execution_id)

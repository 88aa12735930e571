"""Arrival facts: a message that waits for an execution which runs, beside what that execution has got already.

Sources in microsoft/duroxide: `WorkItemReader::from_messages` in src/runtime/state_helpers.rs, and `prep_completions`
and `apply_history_event` in src/runtime/replay_engine.rs. What a dispatcher drops harms nobody, and is left alone: a
second start, a second TimerFired, a second answer of the same kind unless it is a failed activity's, whatever is for an
earlier execution, and all that comes after the end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, case, cast, false, literal, select, true

from holystone.duroxide.event_types import TERMINAL
from holystone.duroxide.tables import history, instances, orchestrator_queue
from holystone.duroxide.work_item import ANSWERS, WORK_ITEM_SHAPES, WorkItem
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.event_text import may_be_of_type
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations import wakeup_sources
from holystone.scan.relations.decode import read_events, read_message
from holystone.scan.relations.queues import messages_of, work_item_of
from holystone.scan.row_facts import RowFacts

_ANSWERED_ALREADY_BY: Mapping[str, frozenset[str]] = {
    "ActivityCompleted": frozenset({"ActivityFailed"}),
    "ActivityFailed": frozenset({"ActivityCompleted", "ActivityFailed"}),
    "SubOrchCompleted": frozenset({"SubOrchestrationFailed"}),
    "SubOrchFailed": frozenset({"SubOrchestrationCompleted"}),
}
"""Kind of an answer -> the types of the events beside which the engine takes it for one more answer."""

NOTHING = "nothing"
ANSWERED = "an answer"
END = "the end of the current execution"
RUNNING = "an execution that runs"
ANOTHER = "another such message"


class ArrivalSource:
    """The messages for instances."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        # Not all columns: the first versions of the engine had fewer.
        names = ("id", "instance_id", "work_item")
        self.rows: FromClause = messages_of(flavour, orchestrator_queue, within, names)
        self._message = self.rows.c
        self.key = (self._message.id,)

    @property
    def continues(self) -> ColumnElement[bool]:
        """It may begin the next execution; there are few such messages, so the facts tell whether it should."""
        return self._by_kind({"ContinueAsNew": true()})

    @property
    def may_be_answered(self) -> ColumnElement[bool]:
        """It may be an answer to an event of the current execution that has another one."""
        return self._by_kind({kind: self._answered(kind) for kind in _ANSWERED_ALREADY_BY})

    def _by_kind(self, conditions: Mapping[str, ColumnElement[bool]]) -> ColumnElement[bool]:
        """Return the condition for the message's kind, false for those not named, true where it shows no kind."""
        is_kind = self.flavour.messages.is_kind
        kinds = [(is_kind(self._message.work_item, kind), conditions.get(kind, false())) for kind in WORK_ITEM_SHAPES]
        return case(*kinds, else_=true())

    def _answered(self, kind: str) -> ColumnElement[bool]:
        messages, item, of = self.flavour.messages, self._message.work_item, self._message.instance_id
        answers = ANSWERS[kind]
        execution_id = messages.number(item, kind, answers.execution_id)
        source = cast(messages.number(item, kind, answers.event_id), Text)
        current = and_(instances.c.instance_id == of, instances.c.current_execution_id == execution_id)
        contained = literal('"source_event_id":').concat(source).concat(",")
        answer = and_(
            history.c.instance_id == of,
            history.c.execution_id == execution_id,
            may_be_of_type(self.flavour, history, *sorted(_ANSWERED_ALREADY_BY[kind]), containing=contained),
        )
        return and_(exists_lookup(current), exists_lookup(answer))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self._message)


class ArrivalFacts(RowFacts, frozen=True):
    """One message: what it follows, where it begins an execution, and what its question has got already."""

    row_id: int
    instance_id: str
    kind: str | None
    follows: Compared[str]
    answered_by: Compared[str]

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "id": self.row_id}


class Arrivals(Relation[ArrivalSource, ArrivalFacts]):
    name = "arrivals"
    table = orchestrator_queue
    follows_acks = False
    # They are the rows of another relation, too.
    counted = False

    def source(self, flavour: Flavour, within: Conditions) -> ArrivalSource:
        return ArrivalSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ArrivalFacts:
        item = read_message(work_item_of(reader, self.table, row))
        if item is None or item.instance_id != row.instance_id:
            return _facts(row, None)
        current = reader.once(("runs", row.instance_id), lambda: _running(reader, row.instance_id))
        if item.kind == "ContinueAsNew":
            follows = RUNNING if current else ANOTHER if _is_second(reader, row) else END
            return _facts(row, item.kind, follows=follows)
        if item.kind in _ANSWERED_ALREADY_BY and current is not None and _is_answered(item, *current):
            return _facts(row, item.kind, answered_by=ANSWERED)
        return _facts(row, item.kind)


def _facts(row: Any, kind: str | None, follows: str = END, answered_by: str = NOTHING) -> ArrivalFacts:
    return ArrivalFacts(
        row.id,
        row.instance_id,
        kind,
        follows=Compared("follows", follows, END),
        answered_by=Compared("answered_by", answered_by, NOTHING),
    )


def _running(reader: Reader, instance_id: str) -> tuple[int, Sequence[Mapping[str, Any]]] | None:
    """Return the current execution with its events; None where it does not run, or too little of it can be read."""
    current = select(instances.c.current_execution_id).where(instances.c.instance_id == instance_id)
    execution_id = reader.connection.execute(current).scalar_one_or_none()
    if execution_id is None:
        return None
    events = read_events(reader.history(instance_id, execution_id))
    return None if not events or any(event["type"] in TERMINAL for event in events) else (execution_id, events)


def _is_answered(item: WorkItem, execution_id: int, events: Sequence[Mapping[str, Any]]) -> bool:
    answers, others = ANSWERS[item.kind], _ANSWERED_ALREADY_BY[item.kind]
    event_id = item.fields[answers.event_id]
    return item.fields[answers.execution_id] == execution_id and any(
        event["type"] in others and event.get("source_event_id") == event_id for event in events
    )


def _is_second(reader: Reader, row: Any) -> bool:
    """Return whether another message that begins the instance's next execution came before."""
    found = wakeup_sources.messages(reader, row.instance_id, orchestrator_queue.c.id < row.id)
    return any(item is not None and item.kind == "ContinueAsNew" for item in found)


ARRIVALS = Arrivals()

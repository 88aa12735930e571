"""Request facts: a message that an ack has queued, beside the event which the same ack has appended.

Sources in microsoft/duroxide: `run_single_execution_atomic` in src/runtime/execution.rs, which makes both from the same
values, and `action_matches_event_kind` in src/runtime/replay_engine.rs, which says what a replay compares with events.
A message may lie in either queue; what is in doubt for another reason is left to other checks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Table, Text, case, cast, false, literal, not_, select, true

from holystone.duroxide.tables import executions, history, instances, orchestrator_queue, worker_queue
from holystone.duroxide.work_item import WORK_ITEM_SHAPES, WorkItem
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.digest import digest_of
from holystone.scan.event_text import event_text
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation, Source
from holystone.scan.relations import wakeup_sources
from holystone.scan.relations.decode import read_events, read_message
from holystone.scan.relations.queues import messages_of, work_item_of
from holystone.scan.relations.request_events import asks_for, read_event, read_request_of_child
from holystone.scan.relations.worker_items import IDENTITY, ROUTING

_OF_CHILD = {"orchestration": "name", "input": "input"}


class RequestFacts(Struct, frozen=True):
    """One message: those of its fields that an event tells, as they are and as the event has them.

    `proven` are the fields of which something else in the store says the same as the event.
    """

    row: Mapping[str, Any]
    item: WorkItem | None
    told: Mapping[str, Any]
    proven: frozenset[str]
    event_digest: str | None

    @property
    def key(self) -> Key:
        return {"instance_id": self.row.get("instance_id"), "id": self.row["id"]}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"event_sha256": self.event_digest}

    @property
    def wrong(self) -> Sequence[Compared[object]]:
        """The fields that differ from what the event has."""
        fields = {} if self.item is None else self.item.fields
        compared = (Compared[object](name, fields.get(name), value) for name, value in self.told.items())
        return [one for one in compared if one.differs]

    @property
    def restored(self) -> str:
        """The message as the engine would have written it."""
        assert self.item is not None
        shape = WORK_ITEM_SHAPES[self.item.kind]
        fields = {**self.item.fields, **{one.name: one.expected for one in self.wrong}}
        ordered = {name: fields[name] for name in (*shape, *fields) if name in fields}
        kept = {n: v for n, v in ordered.items() if v is not None or n not in shape or not shape[n].left_out}
        return WorkItem(self.item.kind, kept).to_json()


class RequestSource(Source, Protocol):
    """Messages that an ack has queued beside an event."""

    @property
    def may_differ(self) -> ColumnElement[bool]:
        """The message may not say what its event does."""


class ActivitySource:
    """The activities in worker_queue, each with the event that its columns name."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        self.rows: FromClause = messages_of(flavour, worker_queue, within, {"id", "work_item", *IDENTITY, *ROUTING})
        self.key = (self.rows.c.id,)

    @property
    def may_differ(self) -> ColumnElement[bool]:
        """The facts compare: no text of a message stands in its event as it is."""
        return true()

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self.rows.c)


class MessageSource:
    """The messages for instances that an ack has queued beside an event."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        names = ("id", "instance_id", "work_item", "visible_at")
        self.rows: FromClause = messages_of(flavour, orchestrator_queue, within, names)
        self._row = self.rows.c
        self.key = (self._row.id,)

    @property
    def may_differ(self) -> ColumnElement[bool]:
        """A timer's whose event does not say its time to the letter; one that begins an execution; or one by hand."""
        messages, item = self.flavour.messages, self._row.work_item
        fires_at = literal('"fire_at_ms":').concat(cast(messages.number(item, "TimerFired", "fire_at_ms"), Text))
        same = case((messages.contains(self._event, fires_at.concat("}")), true()), else_=false())
        conditions = {"TimerFired": not_(same), "StartOrchestration": true(), "ContinueAsNew": true()}
        kinds = [(messages.is_kind(item, kind), conditions.get(kind, false())) for kind in WORK_ITEM_SHAPES]
        return case(*kinds, else_=true())

    @property
    def _event(self) -> ColumnElement[str]:
        messages, item = self.flavour.messages, self._row.work_item
        named_by = [messages.number(item, "TimerFired", name) for name in ("execution_id", "id")]
        return event_text(self._row.instance_id, *named_by)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self._row)


class _Requests(Relation[RequestSource, RequestFacts]):
    follows_acks = False
    # They are the rows of another relation, too.
    counted = False

    @property
    def range_column(self) -> Any:
        return self.table.c.id


class RequestedActivities(_Requests):
    name = "requested_activities"
    table = worker_queue

    def source(self, flavour: Flavour, within: Conditions) -> ActivitySource:
        return ActivitySource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> RequestFacts:
        whole = _whole(reader, self.table, row)
        item = read_message(whole["work_item"])
        if item is None or not item.is_for_worker:
            return _untold(whole)
        request = (item.instance_id, item.fields["execution_id"], item.fields["id"])
        named = tuple(whole[name] for name in IDENTITY)
        if named not in (request, (None, None, None)):
            return _untold(whole)
        event, digest = read_event(reader, "ActivityScheduled", *request)
        if event is None:
            return _untold(whole)
        # An engine that has no such column passes over such a field.
        routing = [name for name in ROUTING if reader.flavour.has(worker_queue.c[name])]
        told = _told(event, item, {name: name for name in ("name", "input", *routing)})
        proven = {name for name in routing if named == request and whole[name] == told[name]}
        return RequestFacts(whole, item, told, frozenset(proven), digest)


class RequestedMessages(_Requests):
    name = "requested_messages"
    table = orchestrator_queue

    def source(self, flavour: Flavour, within: Conditions) -> MessageSource:
        return MessageSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> RequestFacts:
        whole = _whole(reader, self.table, row)
        item = read_message(whole["work_item"])
        if item is None or item.unknown is not None or item.instance_id != row.instance_id:
            return _untold(whole)
        if item.kind == "TimerFired":
            return _timer(reader, whole, item)
        if item.kind == "StartOrchestration":
            return _child(reader, whole, item)
        return _continuation(reader, whole, item) if item.kind == "ContinueAsNew" else _untold(whole)


def _untold(row: Mapping[str, Any]) -> RequestFacts:
    return RequestFacts(row, None, {}, frozenset(), None)


def _timer(reader: Reader, row: Mapping[str, Any], item: WorkItem) -> RequestFacts:
    event, digest = read_event(reader, "TimerCreated", item.instance_id, item.fields["execution_id"], item.fields["id"])
    if event is None:
        return _untold(row)
    fires_at = event["fire_at_ms"]
    proven = {"fire_at_ms"} if reader.flavour.to_ms(row["visible_at"]) == fires_at else set()
    return RequestFacts(row, item, {"fire_at_ms": fires_at}, frozenset(proven), digest)


def _child(reader: Reader, row: Mapping[str, Any], item: WorkItem) -> RequestFacts:
    """Return what the parent's event says of the child that the message begins, if it is sure which event that is.

    Two executions of the parent may both have asked for a child of this name. Once it has begun, the engine drops what
    would begin it again.
    """
    parent, number = item.fields["parent_instance"], item.fields["parent_id"]
    if parent is None or number is None or _has_begun(reader, item.instance_id) or not _is_only(reader, item):
        return _untold(row)
    event, digest = read_request_of_child(reader, item.fields)
    if event is None or item.instance_id is None or not asks_for(event, parent, item.instance_id):
        return _untold(row)
    return RequestFacts(row, item, _told(event, item, _OF_CHILD), frozenset(), digest)


def _has_begun(reader: Reader, instance_id: Any) -> bool:
    begun = [exists_lookup(table.c.instance_id == instance_id) for table in (instances, executions, history)]
    return any(reader.connection.execute(select(*begun)).one())


def _is_only(reader: Reader, item: WorkItem) -> bool:
    """Return whether no other message for the instance begins an execution, or might, for it cannot be read."""
    assert item.instance_id is not None
    waiting = wakeup_sources.messages(reader, item.instance_id)
    return sum(one is None or one.kind == item.kind for one in waiting) == 1


def _continuation(reader: Reader, row: Mapping[str, Any], item: WorkItem) -> RequestFacts:
    """Return what the end of the current execution says of the next one, where there is one message that begins it."""
    of_instance = executions.c.instance_id == row["instance_id"]
    current = select(executions.c.execution_id, executions.c.output).where(
        of_instance,
        executions.c.execution_id.in_(
            select(instances.c.current_execution_id).where(instances.c.instance_id == row["instance_id"])
        ),
    )
    found = reader.connection.execute(current).first() if _is_only(reader, item) else None
    whole = [] if found is None else read_events(reader.history(row["instance_id"], found.execution_id))
    if found is None or not whole or whole[-1]["type"] != "OrchestrationContinuedAsNew":
        return _untold(row)
    told = {"orchestration": whole[0]["name"], "input": whole[-1]["input"]}
    proven = {"input"} if found.output == told["input"] else set()
    return RequestFacts(row, item, told, frozenset(proven), digest_of(str(sorted(told.items()))))


def _whole(reader: Reader, queue: Table, row: Any) -> dict[str, Any]:
    whole = {name: value for name, value in row._mapping.items() if name in queue.c}
    return whole | {"work_item": work_item_of(reader, queue, row)}


def _told(event: Mapping[str, Any], item: WorkItem, names: Mapping[str, str]) -> dict[str, Any]:
    """Return fields of a message as the event has them; `names` are the event's own. What is the same is kept once."""

    def kept_once(said: Any, value: Any) -> Any:
        return said if isinstance(said, str) and said == value else value

    return {name: kept_once(item.fields.get(name), event.get(field)) for name, field in names.items()}


REQUESTED_ACTIVITIES = RequestedActivities()
REQUESTED_MESSAGES = RequestedMessages()

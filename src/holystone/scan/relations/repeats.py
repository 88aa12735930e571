"""Repeat facts: an activity in worker_queue that is there once more, or has been run already.

Sources in microsoft/duroxide: `ack_orchestration_item`, `ack_work_item` and `abandon_work_item` in
src/providers/sqlite.rs, and the functions of these names in microsoft/duroxide-pg. The ack that appends an
ActivityScheduled queues the activity, once; who gives it back keeps its row; and the ack that queues an activity's
answer takes its row away. A retry is another event, so another activity. `prep_completions` in
src/runtime/replay_engine.rs says what becomes of a second answer: one of the same kind is dropped.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, cast, literal, or_, select, true

from holystone.duroxide.event_types import TERMINAL
from holystone.duroxide.replay import ANSWERED_BY
from holystone.duroxide.tables import history, orchestrator_queue, worker_queue
from holystone.duroxide.work_item import WorkItem
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.event_text import may_be_of_type
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations import wakeup_sources
from holystone.scan.relations.decode import read_events, read_message
from holystone.scan.relations.queues import messages_of, work_item_of
from holystone.scan.relations.worker_items import IDENTITY, OUTSTANDING, ROUTING
from holystone.scan.row_facts import RowFacts

ANSWERING = tuple(sorted(ANSWERED_BY["ActivityScheduled"]))
"""Events and messages of these kinds answer an activity."""
QUEUED_TWICE, ANSWER_QUEUED, ANSWERED = "queued twice", "answered by a message", "answered by an event"

Activity = tuple[Any, Any, Any]
"""Instance, execution and event by which an activity is known."""


class RepeatSource:
    """The activities that wait for a worker or are in the hands of one."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        self.rows: FromClause = messages_of(flavour, worker_queue, within, _COLUMNS | {"work_item"})
        self._row = self.rows.c
        self.key = (self._row.id,)

    @property
    def is_nameless(self) -> ColumnElement[bool]:
        """The row does not say whose activity it is: it is older than these columns, or somebody emptied them."""
        if not self.flavour.has(worker_queue.c.instance_id):
            return true()
        return or_(*(self._row[name].is_(None) for name in IDENTITY))

    @property
    def may_be_repeated(self) -> ColumnElement[bool]:
        """Another row, an event or a message may be of the same activity; the facts tell whether it is."""
        if not self.flavour.has(worker_queue.c.instance_id):
            return true()
        return or_(self.is_nameless, self._has_another, self._has_event, self._has_message)

    @property
    def _has_another(self) -> ColumnElement[bool]:
        other = worker_queue.alias("other").c
        return exists_lookup(*(other[name] == self._row[name] for name in IDENTITY), other.id != self._row.id)

    @property
    def _has_event(self) -> ColumnElement[bool]:
        source = literal('"source_event_id":').concat(cast(self._row.activity_id, Text)).concat(",")
        return exists_lookup(
            history.c.instance_id == self._row.instance_id,
            history.c.execution_id == self._row.execution_id,
            history.c.event_id > self._row.activity_id,
            may_be_of_type(self.flavour, history, *ANSWERING, containing=source),
        )

    @property
    def _has_message(self) -> ColumnElement[bool]:
        of_instance = orchestrator_queue.c.instance_id == self._row.instance_id
        answer = messages_of(self.flavour, orchestrator_queue, [of_instance], ("work_item",), correlate=[self.rows])
        queued = answer.alias("queued")
        messages, item = self.flavour.messages, queued.c.work_item
        answers = [
            and_(
                messages.is_kind(item, kind),
                messages.says(item, "id", self._row.activity_id),
                messages.says(item, "execution_id", self._row.execution_id),
            )
            for kind in ANSWERING
        ]
        return exists_lookup(or_(queued.c.is_long, *answers), correlate=(self.rows,))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self._row)


_COLUMNS = {"id", "lock_token", *IDENTITY, *ROUTING}


class RepeatFacts(RowFacts, frozen=True):
    """One activity: its `row`, and what there is of it already; `fate` is OUTSTANDING where there is nothing.

    `like_the_other` is whether the row of the same activity that stays says the very same.
    """

    row: Mapping[str, Any]
    fate: str
    like_the_other: bool = True

    @property
    def key(self) -> Key:
        return {"instance_id": self.row.get("instance_id"), "id": self.row["id"]}

    @property
    def is_held(self) -> bool:
        """Whether a worker has fetched it, and not given it back."""
        return self.row["lock_token"] is not None

    @property
    def activity(self) -> Compared[str]:
        return Compared("activity", self.fate, OUTSTANDING)


class Repeats(Relation[RepeatSource, RepeatFacts]):
    name = "repeats"
    table = worker_queue
    follows_acks = False
    # They are the rows of another relation, too.
    counted = False

    @property
    def range_column(self) -> Any:
        return self.table.c.id

    def source(self, flavour: Flavour, within: Conditions) -> RepeatSource:
        return RepeatSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> RepeatFacts:
        whole = {name: value for name, value in row._mapping.items() if name in _COLUMNS}
        item = read_message(work_item_of(reader, self.table, row))
        if item is None or not item.is_for_worker or not _is_of_message(whole, item):
            return RepeatFacts(whole, OUTSTANDING)
        others = _others(reader, whole, item)
        stays = min((one for one in others if one["lock_token"] is not None), key=_id, default=min(others, key=_id))
        if stays["id"] != row.id:
            alike = all(stays[name] == whole[name] for name in whole if name in ROUTING)
            alike = alike and _text(reader, stays) == _text(reader, whole)
            return RepeatFacts(whole, QUEUED_TWICE, like_the_other=alike)
        if _is_answered_by_message(reader, item):
            return RepeatFacts(whole, ANSWER_QUEUED)
        return RepeatFacts(whole, ANSWERED if _is_answered_by_event(reader, item) else OUTSTANDING)


def _id(row: Mapping[str, Any]) -> Any:
    return row["id"]


def _activity(item: WorkItem) -> Activity:
    return item.instance_id, item.fields["execution_id"], item.fields["id"]


def _is_of_message(row: Mapping[str, Any], item: WorkItem) -> bool:
    """Return whether the row's columns say the same as the message, or nothing."""
    named = tuple(row.get(name) for name in IDENTITY)
    return named == _activity(item) or named == (None, None, None)


def _others(reader: Reader, row: Mapping[str, Any], item: WorkItem) -> Sequence[Mapping[str, Any]]:
    """Return the rows of the same activity, this one among them."""
    if row.get("instance_id") is None:
        nameless = reader.once("nameless activities", lambda: _nameless(reader))
        return nameless.get(_activity(item), [row])
    same = [worker_queue.c[name] == row[name] for name in IDENTITY]
    return [one for one, other in _read(reader, same) if _activity(other) == _activity(item)]


def _nameless(reader: Reader) -> Mapping[Activity, Sequence[Mapping[str, Any]]]:
    """Return the rows that do not say whose activity they are, by what their messages say."""
    nameless: Conditions = []
    if reader.flavour.has(worker_queue.c.instance_id):
        nameless = [worker_queue.c[name].is_(None) for name in IDENTITY]
    found: dict[Activity, list[Mapping[str, Any]]] = defaultdict(list)
    for row, item in _read(reader, nameless):
        found[_activity(item)].append(row)
    return found


def _read(reader: Reader, within: Conditions) -> Iterator[tuple[Mapping[str, Any], WorkItem]]:
    """Yield the rows that hold activities which can be read, each with what it holds; not with its text."""
    rows = select(messages_of(reader.flavour, worker_queue, within, _COLUMNS | {"work_item"}))
    with reader.connection.execute(rows.execution_options(yield_per=500)) as result:
        for row in result:
            item = read_message(work_item_of(reader, worker_queue, row))
            if item is not None and item.is_for_worker:
                yield {name: value for name, value in row._mapping.items() if name in _COLUMNS}, item


def _text(reader: Reader, row: Mapping[str, Any]) -> Any:
    """Return the text of a row of worker_queue."""
    return reader.connection.execute(select(worker_queue.c.work_item).where(worker_queue.c.id == row["id"])).scalar()


def _is_answered_by_message(reader: Reader, item: WorkItem) -> bool:
    instance_id, *activity = _activity(item)
    return any(
        one is not None and one.kind in ANSWERING and [one.fields["execution_id"], one.fields["id"]] == activity
        for one in wakeup_sources.messages(reader, instance_id)
    )


def _is_answered_by_event(reader: Reader, item: WorkItem) -> bool:
    """Return whether an execution that runs has the answer; of one that has ended, another check tells."""
    instance_id, execution_id, activity = _activity(item)
    events = read_events(reader.history(instance_id, execution_id))
    if not events or any(event["type"] in TERMINAL for event in events):
        return False
    return any(event["type"] in ANSWERING and event.get("source_event_id") == activity for event in events)


REPEATS = Repeats()

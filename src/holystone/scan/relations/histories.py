"""History facts: the events of an execution as a whole, and the row of executions that goes with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_, func, select

from holystone.duroxide.event import Event
from holystone.duroxide.event_types import CONTINUED_AS_NEW, EVENT_TYPES, POISON_EVENT_ID, START
from holystone.duroxide.metadata import metadata_of
from holystone.duroxide.outcome import STILL_RUNNING
from holystone.duroxide.tables import VERSION_COLUMNS, executions, history, instances
from holystone.errors import RecordError
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.digest import digest_of
from holystone.scan.event_text import event_text
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.key_ranges import key_ranges_of_store
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.continuations import is_to_continue
from holystone.scan.relations.decode import outcome_of
from holystone.scan.relations.running_executions import would_be_stuck

Range = tuple[Any, Any]
"""The first and the last of some ids that follow each other without a gap."""


class HistorySource:
    """The executions that have history: the numbers of their events, by the index of the primary key alone."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        of_execution = (history.c.instance_id, history.c.execution_id)
        grouped = (
            select(
                *of_execution,
                func.count().label("count"),
                func.min(history.c.event_id).label("lowest"),
                func.max(history.c.event_id).label("highest"),
            )
            .where(*within)
            .group_by(*of_execution)
            .subquery("events")
        )
        self.rows: FromClause = grouped
        self._of = grouped.c
        self.key = (self._of.instance_id, self._of.execution_id)

    @property
    def is_numbered_through(self) -> ColumnElement[bool]:
        """The ids are 1, 2, 3 and so on."""
        return and_(self._of.lowest == 1, self._of.highest == self._of.count)

    @property
    def begins_with_start(self) -> ColumnElement[bool]:
        """The first event is the start, as the engine writes it."""
        first = event_text(self._of.instance_id, self._of.execution_id, self._of.lowest)
        return self.flavour.event_says_type(first, START)

    @property
    def execution_exists(self) -> ColumnElement[bool]:
        return exists_lookup(
            executions.c.instance_id == self._of.instance_id, executions.c.execution_id == self._of.execution_id
        )

    def output(self) -> Sequence[ColumnElement[Any]]:
        instance_exists = exists_lookup(instances.c.instance_id == self._of.instance_id)
        beyond = exists_lookup(
            instances.c.instance_id == self._of.instance_id,
            instances.c.current_execution_id < self._of.execution_id,
        )
        is_current = exists_lookup(
            instances.c.instance_id == self._of.instance_id,
            instances.c.current_execution_id == self._of.execution_id,
        )
        followed = exists_lookup(
            executions.c.instance_id == self._of.instance_id, executions.c.execution_id > self._of.execution_id
        )
        return [
            *self.key,
            self.execution_exists.label("execution_exists"),
            instance_exists.label("instance_exists"),
            beyond.label("beyond"),
            is_current.label("is_current"),
            followed.label("followed"),
        ]


class HistoryFacts(Struct, frozen=True):
    """One execution's history.

    `ids` are those of its events. `row` is what the row of executions should hold that is
    not there; None where it is, and where the events do not tell. `was_never_stored` says that the history is the
    engine's own remark that it could not store the first turn: a failure without anything before it, numbered on from
    the execution before. `would_be_stuck` is whether nothing could take the execution on, once its row were there, and
    `would_be_broken` whether it has continued as new, and nothing is there that begins the next one.
    """

    instance_id: str
    execution_id: int
    ids: tuple[int, ...]
    first_type: Compared[str | None]
    was_never_stored: bool
    last_event_digest: str
    execution_exists: bool
    instance_exists: bool
    beyond: bool
    row: Mapping[str, Any] | None
    would_be_stuck: bool
    would_be_broken: bool

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "execution_id": self.execution_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"last_event_id": self.ids[-1], "last_event_sha256": self.last_event_digest}

    @property
    def event_ids(self) -> Compared[str]:
        is_ids, should_be = _ranges(self.ids), self._numbered_through()
        return Compared("event_ids", ", ".join(map(_in_words, is_ids)), ", ".join(map(_in_words, should_be)))

    @property
    def execution(self) -> Compared[str]:
        return presence("execution", self.execution_exists)

    def _numbered_through(self) -> Sequence[Range]:
        """Return the ids without their gaps, as ranges: how wide a gap is, costs nothing."""
        # SQLite keeps what is no number, too.
        numbers = [event_id for event_id in self.ids if isinstance(event_id, int)]
        first = numbers[0] if self.was_never_stored and numbers else 1
        # The engine fails a history that it cannot read at a fixed id, far behind its last event.
        at_once = [number for number in numbers if number < POISON_EVENT_ID]
        behind = [number for number in numbers if number >= POISON_EVENT_ID]
        last = max([first, *at_once])
        if not behind:
            return [(first, last)]
        if POISON_EVENT_ID not in behind or last == POISON_EVENT_ID - 1:
            return [(first, behind[-1])]
        return [(first, last), (POISON_EVENT_ID, behind[-1])]


def _ranges(ids: Iterable[Any]) -> Iterator[Range]:
    """Yield ids as ranges without gaps, in their order."""
    first = last = None
    for one in ids:
        if last is not None and isinstance(one, int) and isinstance(last, int) and one == last + 1:
            last = one
        else:
            if last is not None:
                yield first, last
            first = last = one
    if last is not None:
        yield first, last


def _in_words(ids: Range) -> str:
    first, last = ids
    return f"{first}" if first == last else f"{first}-{last}"


class ExecutionHistories(Relation[HistorySource, HistoryFacts]):
    name = "histories"
    table = history

    def source(self, flavour: Flavour, within: Conditions) -> HistorySource:
        return HistorySource(flavour, within)

    def total(self, reader: Reader, within: Conditions) -> int:
        if not within:
            return int(reader.connection.execute(select(func.count()).select_from(executions)).scalar_one())
        chosen = select(history.c.instance_id, history.c.execution_id).where(*within).distinct().subquery("chosen")
        return int(reader.connection.execute(select(func.count()).select_from(chosen)).scalar_one())

    def key_ranges(self, reader: Reader, within: Conditions, rows_per_range: int) -> Iterator[Conditions]:
        return (key_range.conditions(reader.flavour) for key_range in key_ranges_of_store(reader, rows_per_range))

    def facts(self, reader: Reader, row: Any) -> HistoryFacts:
        events = reader.history(row.instance_id, row.execution_id)
        absent = None if row.execution_exists else _row(reader, events)
        runs = absent is not None and absent["status"] == STILL_RUNNING.status and row.is_current
        is_last = row.is_current and not row.followed
        continues = absent is not None and absent["status"] == CONTINUED_AS_NEW and is_last
        return HistoryFacts(
            instance_id=row.instance_id,
            execution_id=row.execution_id,
            ids=tuple(event.event_id for event in events),
            first_type=_first_type(events),
            was_never_stored=_was_never_stored(events),
            last_event_digest=digest_of(events[-1].event_data),
            execution_exists=bool(row.execution_exists),
            instance_exists=bool(row.instance_exists),
            beyond=bool(row.beyond),
            row=absent,
            would_be_stuck=bool(runs) and would_be_stuck(reader, row.instance_id, row.execution_id),
            would_be_broken=bool(continues) and is_to_continue(reader, row.instance_id),
        )


def _first_type(events: Sequence[EventRow]) -> Compared[str | None]:
    first = events[0].type
    return Compared("first_type", first, START, decided=first in EVENT_TYPES and not _was_never_stored(events))


def _was_never_stored(events: Sequence[EventRow]) -> bool:
    """Return whether the engine has failed the execution because the ack of its first turn failed.

    Source in microsoft/duroxide: `process_orchestration_item` in src/runtime/dispatchers/orchestration.rs, which
    numbers that failure as if it came after the events that it fetched: those of the execution before.
    """
    first = events[0].event
    if first is None or not isinstance(first.get("details"), dict) or "Infrastructure" not in first["details"]:
        return False
    return all(event.type == "OrchestrationFailed" for event in events)


def _row(reader: Reader, events: Sequence[EventRow]) -> Mapping[str, Any] | None:
    """Return the columns of the row of executions that the acks of these events wrote, None where they do not tell."""
    try:
        start = Event.from_json(events[0].event_data)
    except (RecordError, TypeError):
        return None
    outcome = outcome_of(events)
    if start.type != START or outcome is None:
        return None
    flavour = reader.flavour
    timed = outcome.ended_at_ms is not None and outcome.status in flavour.statuses_with_completed_at
    row = {
        "status": outcome.status,
        "output": outcome.output,
        "started_at": flavour.created_at(start.timestamp_ms),
        "completed_at": flavour.completed_at(outcome.ended_at_ms) if timed and outcome.ended_at_ms else None,
    }
    pinned = metadata_of([start]).pinned_version
    if pinned is not None and reader.store.columns["executions"].issuperset(VERSION_COLUMNS):
        row |= dict(zip(VERSION_COLUMNS, pinned, strict=True))
    return row


HISTORIES = ExecutionHistories()

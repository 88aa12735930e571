"""The events, every one of them: those that the engine surely wrote as they stand are told by their text."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, false, func, not_, select, true

from holystone.scan.presence import there_is
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Predicate, Question, Relation, Suspect
from holystone.scan.relations.event_facts import EventFacts, event_facts
from holystone.scan.relations.histories import spans_of_history
from holystone.store.event import EVENT_SHAPES
from holystone.store.events import TERMINAL
from holystone.store.flavours import Flavour
from holystone.store.references import REFERS_TO
from holystone.store.tables import history

EXECUTIONS_A_SPAN = 5_000
# As activities are most of what a history holds, they are asked for first.
_KINDS = sorted(EVENT_SHAPES, key=lambda kind: not kind.startswith("Activity"))
_FEW = 500
"""Rows that are rather all looked at than searched for the one that is no JSON."""


class EventSource:
    """The events; `all_json` is whether the database has found them to be JSON, where it cannot tell it of each."""

    def __init__(self, flavour: Flavour, within: Conditions, *, all_json: bool = True) -> None:
        self.flavour = flavour
        self.rows: FromClause = select(history).where(*within).subquery("event")
        self._row = self.rows.c
        self.data: ColumnElement[str] = self._row.event_data
        self._all_json = all_json
        self.key = (self._row.instance_id, self._row.execution_id, self._row.event_id)

    @cached_property
    def is_suspect(self) -> ColumnElement[bool]:
        """Not surely an event that the engine wrote, as it stands and where it stands: one question for all checks."""
        if not self._all_json:
            return true()
        forms = self.flavour.event_forms
        as_its_kind = case(
            {kind: self._is_in_place(kind) for kind in _KINDS}, value=forms.kind(self._row), else_=false()
        )
        return not_(and_(forms.has_ids_of(self._row), as_its_kind, forms.is_sound(self._row.event_data)))

    def _is_in_place(self, kind: str) -> ColumnElement[bool]:
        """An event of this type is as the engine writes one, after what it refers to, and the last one if it ends."""
        conditions = [self.flavour.event_forms.has_form(self._row.event_data, kind)]
        if kind in REFERS_TO:
            conditions.append(self._source_exists(REFERS_TO[kind]))
        if kind in TERMINAL:
            conditions.append(not_(self._has_later))
        return and_(*conditions)

    def _source_exists(self, kind: str) -> ColumnElement[bool]:
        """An event of this type is there that the row refers to."""
        forms, source = self.flavour.event_forms, history.alias("source").c
        return there_is(
            source.instance_id == self._row.instance_id,
            source.execution_id == self._row.execution_id,
            forms.refers_to(self._row, source),
            source.event_id < self._row.event_id,
            forms.is_kind(source, kind),
        )

    @property
    def _has_later(self) -> ColumnElement[bool]:
        later = history.alias("later").c
        return there_is(
            later.instance_id == self._row.instance_id,
            later.execution_id == self._row.execution_id,
            later.event_id > self._row.event_id,
        )

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [*self.key, self._row.event_type, self._row.event_data]


class Events(Relation[EventFacts]):
    name = "events"
    table = history

    def source(self, flavour: Flavour, within: Conditions) -> EventSource:
        return EventSource(flavour, within)

    def spans(self, reader: Reader, within: Conditions) -> Iterator[Conditions]:
        return spans_of_history(reader, EXECUTIONS_A_SPAN)

    def suspects(
        self, reader: Reader, predicates: Sequence[Predicate], within: Conditions
    ) -> Iterator[Suspect[EventFacts]]:
        forms, source = reader.flavour.event_forms, EventSource(reader.flavour, within)
        question = Question(predicates, source, [forms.fails_as_json(source.data)])
        rows = forms.attempt(reader.connection, question.statement)
        if rows is not None:
            yield from self.answers(reader, question, rows)
            return
        halves = _halves(reader, within)
        for half in halves:
            yield from self.suspects(reader, predicates, half)
        if not halves:
            question = Question(predicates, EventSource(reader.flavour, within, all_json=False))
            yield from self.answers(reader, question, reader.connection.execute(question.statement))

    def facts(self, reader: Reader, row: Any) -> EventFacts:
        return event_facts(reader, row)


def _halves(reader: Reader, within: Conditions) -> Sequence[Conditions]:
    """Return conditions that cut the rows into halves, in order; none where there are few, or of one instance."""
    column = history.c.instance_id
    bounds = select(func.count(), func.min(column), func.max(column)).where(*within)
    count, lowest, highest = reader.connection.execute(bounds).one()
    if count <= _FEW or lowest == highest:
        return []
    half = select(column).where(*within).order_by(column).offset(count // 2).limit(1)
    middle = reader.connection.execute(half).scalar_one()
    first, rest = (column <= middle, column > middle) if middle < highest else (column < middle, column >= middle)
    return [*within, first], [*within, rest]


EVENTS = Events()

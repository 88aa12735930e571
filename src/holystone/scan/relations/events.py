"""The events, every one of them: those of histories that are sound as a whole are no suspects."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, select

from holystone.duroxide.tables import history
from holystone.flavours import Flavour
from holystone.scan.history_batches import HistoryBatches, batched_histories
from holystone.scan.key_ranges import EXECUTIONS_PER_RANGE, key_ranges_of_store
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Predicate, Relation, Suspect
from holystone.scan.relations.event_facts import EventFacts, event_facts


class EventSource:
    """The events, of which SQL is asked nothing."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        self.rows: FromClause = select(history).where(*within).subquery("event")
        self.key = (self.rows.c.instance_id, self.rows.c.execution_id, self.rows.c.event_id)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [*self.key, self.rows.c.event_type]


class Events(Relation[EventSource, EventFacts]):
    name = "events"
    table = history

    def source(self, flavour: Flavour, within: Conditions) -> EventSource:
        return EventSource(flavour, within)

    def key_ranges(self, reader: Reader, within: Conditions, rows_per_range: int) -> Iterator[Conditions]:
        return (key_range.conditions(reader.flavour) for key_range in key_ranges_of_store(reader, EXECUTIONS_PER_RANGE))

    def suspects(
        self, reader: Reader, predicates: Sequence[Predicate], within: Conditions
    ) -> Iterator[Suspect[EventFacts]]:
        """Yield the events of every history that is not surely sound, for all predicates alike: none is asked."""
        batches = HistoryBatches(reader)
        statement, values = self.kept(reader, within, _packed)
        with reader.connection.execute(statement, values) as rows:
            for batch in rows:
                if batches.sound_history(batch) is None:
                    of_batch = [
                        history.c.instance_id == batch.instance_id,
                        history.c.execution_id == batch.execution_id,
                    ]
                    source = self.source(reader.flavour, [*within, *of_batch])
                    for row in reader.connection.execute(select(*source.output()).order_by(*source.key)).all():
                        yield [True] * len(predicates), self.look(reader, row)

    def facts(self, reader: Reader, row: Any) -> EventFacts:
        return event_facts(reader, row)


EVENTS = Events()


def _packed(flavour: Flavour, within: Conditions) -> Select[Any]:
    return batched_histories(flavour, within).execution_options(yield_per=500)

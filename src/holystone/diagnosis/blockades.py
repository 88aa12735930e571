"""What keeps dispatchers or workers from taking anything of the whole store, so that no instance goes on.

Sources in microsoft/duroxide: `fetch_orchestration_item` and `fetch_work_item` in src/providers/sqlite.rs, and the
functions of microsoft/duroxide-pg: one row that cannot be taken fails each fetch that comes to it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table, and_, select, true

from holystone.duroxide.tables import orchestrator_queue, worker_queue
from holystone.printable import shown
from holystone.scan.reader import Reader
from holystone.scan.relation import OfInstances
from holystone.scan.relations.events import EVENTS
from holystone.scan.relations.messages import MESSAGES
from holystone.scan.relations.queues import QueueFacts, QueueRelation, QueueSource
from holystone.scan.relations.worker_items import WORKER_ITEMS

S = TypeVar("S", bound=QueueSource)
F = TypeVar("F", bound=QueueFacts)

_INSTANCES = 200
"""Instances with messages whose histories are looked at."""


@dataclass(frozen=True)
class Blockade:
    """A row that a fetch from a queue fails at, and a sentence about it.

    It holds up whatever comes after the row `row_id` in the queue; all that is there for None.
    """

    table: str
    row_id: int | None
    sentence: str

    def holds_up(self, table: str, row_id: Any) -> bool:
        """Return whether a row of a queue is held up by it; None is one that is yet to come."""
        if table != self.table:
            return False
        return self.row_id is None or row_id is None or (row_id != self.row_id and row_id > self.row_id)


def blockades(reader: Reader) -> list[Blockade]:
    """Return what keeps the store's dispatchers and workers from going on, at most one of each kind."""
    now = replace(reader, race_window=0)
    kinds = (_to_nobody, _unreadable_messages, _unreadable_activities, _histories)
    return [one for kind in kinds for one in islice(kind(now), 1)]


def _to_nobody(reader: Reader) -> Iterator[Blockade]:
    """Yield messages for instances that do not exist, where those are put back again and again."""
    if not reader.flavour.dead_messages_halt:
        return
    for row_id, facts in _suspects(reader, MESSAGES, orchestrator_queue, lambda source: source.instance_absent):
        if facts.dead:
            what = f"message {row_id} is for {shown(str(facts.instance_id))}, which does not exist"
            said = f"No dispatcher of this store goes on: {what}, and each fetch fails at it."
            yield Blockade(orchestrator_queue.name, row_id, said)


def _unreadable_messages(reader: Reader) -> Iterator[Blockade]:
    queue = orchestrator_queue
    if queue.name not in reader.flavour.halted_by_unreadable:
        return
    for row_id, facts in _suspects(reader, MESSAGES, queue, lambda source: source.may_be_unreadable):
        if facts.fault is not None and not reader.flavour.engine_can_decode(_text(reader, queue, row_id)):
            what = f"message {row_id} cannot be read ({shown(facts.fault, 200)})"
            yield Blockade(
                queue.name, None, f"No dispatcher of this store goes on: {what}, and each fetch fails at it."
            )


def _unreadable_activities(reader: Reader) -> Iterator[Blockade]:
    queue = worker_queue
    if queue.name not in reader.flavour.halted_by_unreadable:
        return
    for row_id, facts in _suspects(reader, WORKER_ITEMS, queue, lambda source: source.may_be_unreadable):
        if facts.fault is not None:
            what = f"row {row_id} of worker_queue cannot be read ({shown(facts.fault, 200)})"
            yield Blockade(queue.name, row_id, f"No worker of this store goes on: {what}, and each fetch fails at it.")


def _histories(reader: Reader) -> Iterator[Blockade]:
    """Yield instances with a message and a history that no fetch survives."""
    if orchestrator_queue.name not in reader.flavour.halted_by_unreadable:
        return
    queue = orchestrator_queue.c
    waiting = select(queue.instance_id).where(_due(reader, orchestrator_queue)).distinct().limit(_INSTANCES)
    ids = sorted(reader.connection.execute(waiting).scalars())
    within = OfInstances(reader.flavour.among(EVENTS.instance_column, ids), ids)
    for _, facts in EVENTS.suspects(reader, [lambda source: true()], within) if ids else ():
        if getattr(facts, "harms", None) == "halts-dispatch":
            key = facts.key
            what = f"a message waits for {shown(key['instance_id'])}, whose event {key['event_id']} no fetch survives"
            yield Blockade(orchestrator_queue.name, None, f"No dispatcher of this store goes on: {what}.")


def _suspects(
    reader: Reader, relation: QueueRelation[S, F], queue: Table, suspected: Callable[[S], ColumnElement[bool]]
) -> Iterator[tuple[int, F]]:
    source = relation.source(reader.flavour, [_due(reader, queue)])
    rows = select(*source.output()).select_from(source.rows).where(suspected(source)).order_by(*source.key)
    for row in reader.connection.execute(rows.limit(_INSTANCES)).all():
        facts = relation.facts(reader, row)
        yield facts.row_id, facts


def _due(reader: Reader, queue: Table) -> ColumnElement[bool]:
    times, visible_at = reader.flavour.times, queue.c.visible_at
    if not reader.flavour.has(visible_at):
        return true()
    return and_(times.comes(visible_at), times.due_ms(visible_at) <= reader.now_ms)


def _text(reader: Reader, queue: Table, row_id: int) -> Any:
    return reader.long_text(select(queue.c.work_item).where(queue.c.id == row_id))

"""The prefilter of boundary events: the first and the last event of each execution are read, the others counted."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any

from sqlalchemy import Select, and_, func, select

from holystone.duroxide.event_types import START, TERMINAL
from holystone.duroxide.tables import history
from holystone.flavours import Flavour
from holystone.scan.check import Proof
from holystone.scan.event_text import event_text
from holystone.scan.long_texts import unless_long
from holystone.scan.prefilters.execution_rows import NEEDS, ExecutionRows
from holystone.scan.prefilters.prefilter import Prefilter, Verdict, streamed
from holystone.scan.pushdown import rebind
from holystone.scan.reader import Reader
from holystone.scan.relation import INSTANCES_PER_STATEMENT, Conditions

TOGETHER = 50
"""Executions whose outer events are read by one call: where one of these events is odd, each is read alone."""


class BoundaryEvents(Prefilter):
    name = "ends"
    needs = NEEDS
    proof = Proof.boundary_events
    replaces_scans_of = frozenset({"executions", "histories", "start_events"})

    def verdicts(self, reader: Reader, within: Conditions) -> Iterator[Verdict]:
        running = []
        result, found = streamed(reader, _ends(reader.flavour, within))
        with closing(result), closing(ExecutionRows(reader, within)) as rows:
            while some := list(islice(found, TOGETHER)):
                for (instance_id, execution_id, count, *_), events in zip(some, _outer(reader, some), strict=True):
                    if events is not None and type(events[0]).__name__ != START:
                        events = None
                    is_sound = rows.matches(instance_id, execution_id, events)
                    if is_sound and type((events or ())[-1]).__name__ not in TERMINAL:
                        running.append((instance_id, execution_id))
                    yield instance_id, count, is_sound, False
            for instance_id in chain(_with_end(reader, running), rows.unmatched_instances()):
                yield instance_id, 0, False, False


def _outer(reader: Reader, found: Sequence[Any]) -> Sequence[Sequence[Any] | None]:
    """Return for each row of `_ends` its events as structs: the first and the last one, or the one that is both.

    None stands for those of an execution that is not numbered through, or has an event that the engine does not write.
    """
    from holystone.duroxide.decoder import read_each

    texts = [
        ((first,) if count == 1 else (first, last)) if lowest == 1 and highest == count else ()
        for _, _, count, lowest, highest, first, last in found
    ]
    together = read_each([text for some in texts for text in some])
    if together is not None:
        events = iter(together)
        return [[next(events) for _ in some] or None for some in texts]
    return [
        _read(reader, row.instance_id, row.execution_id, dict(zip((1, row.highest), some, strict=False)))
        for row, some in zip(found, texts, strict=True)
    ]


def _read(reader: Reader, instance_id: Any, execution_id: Any, texts: Mapping[Any, Any]) -> Sequence[Any] | None:
    """Return the events of an execution with these ids and texts as structs; None unless the engine writes such.

    A long text is None, and read alone.
    """
    from holystone.duroxide.decoder import read_each

    found: list[Any] = []
    for event_id, text in texts.items():
        if text is None:
            text = reader.long_text(select(event_text(instance_id, execution_id, event_id)))
        events = read_each([text])
        if events is None:
            return None
        found += events
    return found or None


def _with_end(reader: Reader, running: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield the instances of those executions whose history has an event that ends it: neither the first nor the last.

    Few executions run, so they are looked for all at once.
    """
    instance_id = history.c.instance_id
    is_end = reader.flavour.is_terminal(history.c.event_data)
    for start in range(0, len(running), INSTANCES_PER_STATEMENT):
        some = running[start : start + INSTANCES_PER_STATEMENT]
        of_some = reader.flavour.among(instance_id, [key[0] for key in some])
        ended = select(instance_id, history.c.execution_id).where(of_some, is_end)
        yield from (key[0] for key in {tuple(row) for row in reader.connection.execute(ended)}.intersection(some))


def _ends(flavour: Flavour, within: Conditions) -> Select[Any]:
    """Return the select of the executions that have history: how their events are numbered, and the outer ones."""
    key = (history.c.instance_id, history.c.execution_id)
    lowest, highest = func.min(history.c.event_id), func.max(history.c.event_id)
    counts = [func.count().label("count"), lowest.label("lowest"), highest.label("highest")]
    numbered = select(*key, *counts).where(*within).group_by(*key).subquery("numbered")
    execution, first = numbered.c, history.alias("first")
    last = history.alias("last").c
    is_last = (
        last.instance_id == execution.instance_id,
        last.execution_id == execution.execution_id,
        last.event_id == execution.highest,
    )
    last_text = select(unless_long(flavour, last.event_data)).where(*is_last).scalar_subquery()
    # Joined, the first events are read in one go through the index; to look each of them up takes twice as long.
    is_first = and_(
        first.c.instance_id == execution.instance_id,
        first.c.execution_id == execution.execution_id,
        first.c.event_id == 1,
        *rebind(first.c.instance_id, history.c.instance_id, within),
    )
    return (
        select(*execution, unless_long(flavour, first.c.event_data).label("first"), last_text.label("last"))
        .select_from(numbered.outerjoin(first, is_first))
        .order_by(execution.instance_id, execution.execution_id)
    )

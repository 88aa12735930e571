"""The prefilter of boundary events: the first and the last event of each execution are read, the others counted."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from sqlalchemy import and_, func, not_, select

from holystone.duroxide.event_types import RUNNING, START
from holystone.duroxide.tables import executions, history
from holystone.scan.check import Proof
from holystone.scan.event_text import event_text
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.prefilters.boundary_rows import rows_of_executions, rows_of_histories
from holystone.scan.prefilters.execution_rows import NEEDS, ExecutionRows, on_table
from holystone.scan.prefilters.prefilter import Prefilter, Verdict, streamed
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
        judged, total, histories = ExecutionRows(reader), 0, 0
        flavour = reader.flavour
        beside = flavour.beside_last_event()
        rows = rows_of_histories(flavour, within) if beside is None else rows_of_executions(flavour, within, beside)
        with streamed(reader, rows) as found:
            while some := list(islice(found, TOGETHER)):
                for (*columns, highest, _, _), events in zip(some, _outer(reader, some), strict=True):
                    count = highest if isinstance(highest, int) else 0
                    total += count
                    histories += highest is not None and columns[2] is not None
                    if events is not None and type(events[0]).__name__ != START:
                        events = None
                    is_sound = judged.matches(columns, events)
                    if is_sound and columns[2] == RUNNING:
                        running.append((columns[0], columns[1]))
                    yield columns[0], count, is_sound, False
        if beside is None:
            others = _without_history(reader, within, histories)
        else:
            others = _misnumbered(reader, within, total, histories)
        for instance_id in chain(_with_end(reader, running), judged.end(within), others):
            yield instance_id, 0, False, False


def _outer(reader: Reader, found: Sequence[Any]) -> Sequence[Sequence[Any] | None]:
    """Return for each of the rows its events as structs: the first and the last one, or the one that is both.

    None stands for those of an execution that has no history, or an event that the engine does not write.
    """
    from holystone.duroxide.decoder import read_each

    texts = [
        () if highest is None else (first,) if highest == 1 else (first, last) for *_, highest, first, last in found
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
    from holystone.duroxide.decoder import read_alone

    found: list[Any] = []
    for event_id, text in texts.items():
        if text is None:
            text = reader.long_text(select(event_text(instance_id, execution_id, event_id)))
        event = read_alone(text)
        if event is None:
            return None
        found.append(event)
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


def _misnumbered(reader: Reader, within: Conditions, total: int, histories: int) -> Iterator[Any]:
    """Yield the instances of histories that are not numbered through from 1 on, or are of no execution.

    `total` is the sum of the highest numbers of all executions, `histories` the number of those that have a history.
    Where there are no more histories, none is of no execution. No history that has whole numbers from 1 on alone has
    more events than its highest number, so where there are as many in all, each is numbered through.
    """
    event, flavour = history.c, reader.flavour
    is_numbered = and_(flavour.is_integer(event.event_id), event.event_id >= 1)
    count, numbered = func.count(), func.count().filter(is_numbered)
    key = (event.instance_id, event.execution_id)
    each = select(count.label("events"), numbered.label("numbered")).where(*within).group_by(*key).subquery()
    in_all = select(*(func.coalesce(func.sum(one), 0) for one in each.c), func.count()).select_from(each)
    if tuple(map(int, reader.connection.execute(in_all).one())) == (total, total, histories):
        return
    of_execution = (executions.c.instance_id == event.instance_id, executions.c.execution_id == event.execution_id)
    is_through = and_(numbered == count, func.max(event.event_id) == count, exists_lookup(*of_execution))
    yield from reader.connection.execute(
        select(event.instance_id).where(*within).group_by(*key).having(not_(is_through))
    ).scalars()


def _without_history(reader: Reader, within: Conditions, histories: int) -> Iterator[Any]:
    """Yield the instances of executions that have no history: they are not among `rows_of_histories`.

    `histories` is the number of those that came with an execution. Where there are no more executions, each has one.
    """
    execution, event = executions.c, history.c
    of_range = on_table(executions, within)
    count = select(func.count()).select_from(executions).where(*of_range)
    if reader.connection.execute(count).scalar_one() == histories:
        return
    of_execution = (event.instance_id == execution.instance_id, event.execution_id == execution.execution_id)
    empty = select(execution.instance_id).where(*of_range, not_(exists_lookup(*of_execution)))
    yield from reader.connection.execute(empty).scalars()

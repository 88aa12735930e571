"""The prefilter of boundary events: the first and the last event of each execution are read, the others counted."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from sqlalchemy import Select, Subquery, Table, and_, func, not_, or_, select

from holystone.duroxide.event_types import RUNNING, START
from holystone.duroxide.tables import executions, history, instances
from holystone.flavours import Flavour
from holystone.scan.check import Proof
from holystone.scan.event_text import event_text
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.prefilters.boundary_rows import rows_of_histories
from holystone.scan.prefilters.execution_rows import NEEDS, ExecutionRows, on_table
from holystone.scan.prefilters.judged_rows import doubtful_executions
from holystone.scan.prefilters.prefilter import Prefilter, PrefilterResult, Verdict, streamed
from holystone.scan.reader import Reader
from holystone.scan.relation import INSTANCES_PER_STATEMENT, Conditions, rows_per_range
from holystone.scan.relations.instances import InstanceSource

TOGETHER = 50
"""Executions whose outer events are read by one call: where one of these events is odd, each is read alone."""


class BoundaryEvents(Prefilter):
    name = "ends"
    needs = NEEDS
    proof = Proof.boundary_events
    replaces_scans_of = frozenset({"executions", "histories", "start_events"})

    def executions_per_range(self, reader: Reader, jobs: int, least: int) -> int:
        if reader.flavour.with_outer_events([]) is None:
            return least
        # What the database goes through itself, in the order in which it lies, is the quicker the more there is of it.
        return max(least, rows_per_range(_count(reader, executions, []), jobs))

    def run(self, reader: Reader, within: Conditions) -> PrefilterResult:
        outer = reader.flavour.with_outer_events(on_table(executions, within))
        if outer is None:
            return super().run(reader, within)
        return _judged_by_database(reader, doubtful_executions(reader.flavour, outer), within)

    def verdicts(self, reader: Reader, within: Conditions) -> Iterator[Verdict]:
        running = []
        judged, histories = ExecutionRows(reader), 0
        with streamed(reader, rows_of_histories(reader.flavour, within)) as found:
            while some := list(islice(found, TOGETHER)):
                for (*columns, highest, _, _), events in zip(some, _outer(reader, some), strict=True):
                    histories += columns[2] is not None
                    if events is not None and type(events[0]).__name__ != START:
                        events = None
                    is_sound = judged.matches(columns, events)
                    if is_sound and columns[2] == RUNNING:
                        running.append((columns[0], columns[1]))
                    yield columns[0], highest, is_sound, False
        others = () if _count(reader, executions, within) == histories else _without_history(reader, within)
        for instance_id in chain(_with_end(reader, running), judged.end(within), others):
            yield instance_id, 0, False, False


def _judged_by_database(reader: Reader, doubtful: Select[Any], within: Conditions) -> PrefilterResult:
    """Return what came of the executions that meet the conditions, where the database is asked which are `doubtful`."""
    result, ids = PrefilterResult(), []
    all_have_history = True
    for instance_id, has_history in reader.connection.execute(doubtful):
        ids.append(instance_id)
        all_have_history = all_have_history and bool(has_history)
    instance = InstanceSource(reader.flavour, on_table(instances, within))
    is_current = instance.current_execution_id.is_not_distinct_from(instance.highest_execution_id)
    ids += reader.connection.execute(select(*instance.key).where(not_(is_current))).scalars()
    result.instances, result.executions = (_count(reader, table, within) for table in (instances, executions))
    histories, result.events, are_through = _numbers(reader, within)
    if not (all_have_history and are_through and histories == result.executions):
        ids += _misplaced(reader, within)
    for instance_id in sorted(set(ids), key=str):
        result.add_instance(instance_id, result.doubtful)
    return result


def _count(reader: Reader, table: Table, within: Conditions) -> int:
    """Return how many rows a table has that meet the conditions on `history`."""
    count = select(func.count()).select_from(table).where(*on_table(table, within))
    return int(reader.connection.execute(count).scalar_one())


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


def _numbers(reader: Reader, within: Conditions) -> tuple[int, int, bool]:
    """Return how many histories and events there are, and whether each history is numbered through from 1 on."""
    each = _histories(reader.flavour, within)
    in_all = (func.count(), func.coalesce(func.sum(each.c.events), 0), func.count().filter(each.c.is_through))
    histories, events, through = reader.connection.execute(select(*in_all)).one()
    return histories, events, through == histories


def _misplaced(reader: Reader, within: Conditions) -> Iterator[Any]:
    """Yield the instances of histories that are not numbered through, or are of no execution."""
    each = _histories(reader.flavour, within)
    key = (executions.c.instance_id == each.c.instance_id, executions.c.execution_id == each.c.execution_id)
    odd = select(each.c.instance_id).where(or_(not_(each.c.is_through), not_(exists_lookup(*key))))
    yield from reader.connection.execute(odd).scalars()


def _histories(flavour: Flavour, within: Conditions) -> Subquery:
    """Return the histories, by the index of their key alone.

    Whole numbers from 1 on that are as many as the highest of them are all up to it, for no two are the same.
    """
    event, count = history.c, func.count()
    key = (event.instance_id, event.execution_id)
    numbered = count.filter(and_(flavour.is_integer(event.event_id), event.event_id >= 1))
    is_through = and_(numbered == count, func.max(event.event_id) == count)
    return select(*key, count.label("events"), is_through.label("is_through")).where(*within).group_by(*key).subquery()


def _without_history(reader: Reader, within: Conditions) -> Iterator[Any]:
    """Yield the instances of executions that have no history: they are not among `rows_of_histories`."""
    execution, event = executions.c, history.c
    of_execution = (event.instance_id == execution.instance_id, event.execution_id == execution.execution_id)
    empty = select(execution.instance_id).where(*on_table(executions, within), not_(exists_lookup(*of_execution)))
    yield from reader.connection.execute(empty).scalars()

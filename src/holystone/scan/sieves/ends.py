"""The sieve of the ends of histories: the first and the last event of each execution are read, the others counted."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions
from holystone.scan.sieves.rows import Rows
from holystone.scan.sieves.sieve import Judged, Sieve
from holystone.store.events import TERMINAL
from holystone.store.tables import history


class Ends(Sieve):
    """Executions that run are in doubt: an event that ends them may be neither the first nor the last one."""

    name = "ends"
    proves = frozenset(
        ("E001", "E002", "E003", "E004", "E005", "E006", "E007", "E008")
        + ("H001", "H002", "H008", "I001", "I002", "I003", "I004", "I005", "I006")
    )
    pays_for = frozenset({"executions", "histories", "starts"})

    def judged(self, reader: Reader, within: Conditions) -> Iterator[Judged]:
        from holystone.store.event_structs import read_lines

        rows = Rows(reader, within)
        statement = _ends(within).execution_options(yield_per=500)
        for instance_id, execution_id, count, lowest, highest, first, last in reader.connection.execute(statement):
            events = None
            if lowest == 1 and highest == count:
                events = read_lines(first if count == 1 else f"{first}\n{last}")
            if events is not None and not _are_ends(type(events[0]).__name__, type(events[-1]).__name__):
                events = None
            yield instance_id, count, rows.bear_out(instance_id, execution_id, events)
        for instance_id in rows.left_over():
            yield instance_id, 0, False


def _are_ends(first: str, last: str) -> bool:
    """Return whether events of these types begin and end an execution."""
    return first == "OrchestrationStarted" and last in TERMINAL


def _ends(within: Conditions) -> Select[Any]:
    """Return the select of the executions that have history: how their events are numbered, and the outer ones."""
    key = (history.c.instance_id, history.c.execution_id)
    lowest, highest = func.min(history.c.event_id), func.max(history.c.event_id)
    counts = [func.count().label("count"), lowest.label("lowest"), highest.label("highest")]
    numbered = select(*key, *counts).where(*within).group_by(*key).subquery("numbered")
    first, last = (_event(numbered, numbered.c[name]).label(f"{name}_data") for name in ("lowest", "highest"))
    return select(*numbered.c, first, last).order_by(numbered.c.instance_id, numbered.c.execution_id)


def _event(numbered: FromClause, event_id: ColumnElement[int]) -> Any:
    event = history.alias().c
    return (
        select(event.event_data)
        .where(
            event.instance_id == numbered.c.instance_id,
            event.execution_id == numbered.c.execution_id,
            event.event_id == event_id,
        )
        .scalar_subquery()
    )

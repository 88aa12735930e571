"""The same look at outer events, judged where they lie: what the database is sure of is not fetched."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, or_, select

from holystone.duroxide.event_types import CONTINUED_AS_NEW, RUNNING, START
from holystone.duroxide.tables import VERSION_COLUMNS
from holystone.flavours import Flavour
from holystone.flavours.expressions import WithOuterEvents
from holystone.scan.event_text import text_or_type
from holystone.scan.long_texts import is_very_long, unless_very_long
from holystone.scan.prefilters.execution_rows import counts, has_parent, has_time
from holystone.scan.relations.execution_source import agrees_in_output, agrees_in_status
from holystone.scan.relations.pins import is_pinned_as_told
from holystone.scan.relations.start_events import StartSource


def doubtful_executions(flavour: Flavour, outer: WithOuterEvents) -> Select[Any]:
    """Return the select of the executions that are not surely sound: their instances, and whether they have history.

    What is asked of a text is what the relations ask, in their words; it is named in one place, as they have it.
    """
    execution, last = outer.execution.c, outer.last
    ids = ("instance_id", "created_at", "updated_at")
    of_instance = (column for column in outer.instance.c if column.name not in ids)
    read = (
        select(
            *(execution[name] for name in ("instance_id", "execution_id", "status", "completed_at", *VERSION_COLUMNS)),
            unless_very_long(flavour, execution.output).label("output"),
            is_very_long(flavour, execution.output).label("has_very_long_output"),
            *of_instance,
            last.c.event_id.is_not(None).label("has_history"),
            text_or_type(flavour, last).label("last_data"),
            unless_very_long(flavour, outer.first.c.event_data).label("start_data"),
        )
        .select_from(outer.rows)
        .offset(0)  # changes no row, and keeps each text from being read anew in each place
        .subquery("read")
    )
    return select(read.c.instance_id, read.c.has_history).where(case((_is_sound(flavour, read), False), else_=True))


def _is_sound(flavour: Flavour, read: Any) -> ColumnElement[bool]:
    """Return whether an execution is sound: AND and OR, which SQLite leaves at the first part that decides.

    It would go through all parts where they are in a CASE.
    """
    row, start = read.c, StartSource(flavour, read)
    as_current = and_(
        row.current_execution_id == row.execution_id,
        row.status != CONTINUED_AS_NEW,
        start.name_surely_agrees,
        start.parent_surely_agrees,
        has_parent(row),
        counts(flavour, row),
        or_(row.status != RUNNING, is_pinned_as_told(flavour, row)),
    )
    return and_(
        agrees_in_status(flavour, row, lambda kind: flavour.event_says_type(row.last_data, kind)).element,
        agrees_in_output(flavour, row).element,
        has_time(flavour, row),
        flavour.event_says_type(row.start_data, START),
        or_(as_current, and_(row.current_execution_id != row.execution_id, row.status == CONTINUED_AS_NEW)),
    )

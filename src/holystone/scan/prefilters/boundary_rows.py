"""The statement that fetches the first and the last event of each history, beside executions, to be judged in Python.

It selects what `ExecutionRows.matches` unpacks, the highest number of an event, and the texts of the two.
"""

from typing import Any

from sqlalchemy import Select, and_, func, select

from holystone.duroxide.tables import executions, history
from holystone.flavours import Flavour
from holystone.scan.long_texts import unless_long
from holystone.scan.prefilters.execution_rows import execution_columns, on_table, with_instances
from holystone.scan.relation import Conditions


def rows_of_histories(flavour: Flavour, within: Conditions) -> Select[Any]:
    """Return the select of histories beside their executions, by one pass over all events.

    No execution is sound whose history is not numbered through from 1 on; nor is a history without an execution, for
    it has no status. What has no history does not come.
    """
    event = history.c
    key = (event.instance_id, event.execution_id)
    highest = func.max(event.event_id)
    # No two events have the same number, so as many as the highest one from 1 on are all numbers up to it.
    is_through = and_(func.min(event.event_id) >= 1, func.count() == highest)
    # The pass reads each event, so the first one costs nothing more: there is one of that number, and max keeps it.
    first = func.max(unless_long(flavour, event.event_data)).filter(event.event_id == 1)
    columns = (*key, highest.label("highest"), is_through.label("is_through"), first.label("first"))
    numbered = select(*columns).where(*within).group_by(*key).subquery("numbered")
    of, outer = numbered.c, history.alias("outer_event").c
    is_last = (
        outer.instance_id == of.instance_id,
        outer.execution_id == of.execution_id,
        outer.event_id == of.highest,
    )
    is_of = and_(
        executions.c.instance_id == of.instance_id,
        executions.c.execution_id == of.execution_id,
        *on_table(executions, within),
    )
    return (
        select(
            of.instance_id,
            of.execution_id,
            *execution_columns(flavour, of.is_through)[2:],
            of.highest,
            of.first,
            select(unless_long(flavour, outer.event_data)).where(*is_last).scalar_subquery().label("last"),
        )
        .select_from(with_instances(numbered.outerjoin(executions, is_of), within))
        .order_by(of.instance_id, of.execution_id)
    )

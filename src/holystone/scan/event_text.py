"""Looking one event of an execution up, by one step down the index."""

from typing import Any

from sqlalchemy import ColumnElement, or_, select

from holystone.store.events import TERMINAL
from holystone.store.flavours import Flavour
from holystone.store.tables import history


def event_text(instance_id: Any, execution_id: Any, event_id: Any) -> ColumnElement[str]:
    """Return the text of the event with this key, all of it expressions or values; NULL where there is none."""
    event = history.alias().c
    return (
        select(event.event_data)
        .where(event.instance_id == instance_id, event.execution_id == execution_id, event.event_id == event_id)
        .scalar_subquery()
    )


def last_event_ends(flavour: Flavour, instance_id: Any, execution_id: Any) -> ColumnElement[bool]:
    """Return whether the last event of an execution ends it, as far as can be told at first sight; NULL without one."""
    event = history.alias().c
    ends = or_(*(flavour.event_says_type(event.event_data, kind) for kind in TERMINAL))
    return (
        select(ends)
        .where(event.instance_id == instance_id, event.execution_id == execution_id)
        .order_by(event.event_id.desc())
        .limit(1)
        .scalar_subquery()
    )

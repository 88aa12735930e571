"""Looking one event of an execution up, by one step down the index."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, literal, or_, select

from holystone.duroxide.event_types import TERMINAL
from holystone.duroxide.tables import history
from holystone.flavours import Flavour
from holystone.scan.long_texts import is_very_long

_SAYS_TYPE = ',"type":"'


def event_text(instance_id: Any, execution_id: Any, event_id: Any) -> ColumnElement[str]:
    """Return the text of the event with this key, all of it expressions or values; NULL where there is none."""
    event = history.alias().c
    return (
        select(event.event_data)
        .where(event.instance_id == instance_id, event.execution_id == execution_id, event.event_id == event_id)
        .scalar_subquery()
    )


def text_or_type(flavour: Flavour, events: FromClause) -> ColumnElement[str]:
    """Return the text of an event; of a very long one no more than says its type, in the same words."""
    text = events.c.event_data
    says_type = literal(_SAYS_TYPE).concat(flavour.type_at_a_glance(events)).concat('"')
    return case((is_very_long(flavour, text), says_type), else_=text)


def may_be_of_type(
    flavour: Flavour, events: FromClause, *kinds: str, containing: ColumnElement[str] | None = None
) -> ColumnElement[bool]:
    """Return whether an event is of one of these types, as far as can be told at first sight.

    Of one that is not very long, whether it contains a text as well.
    """
    text = events.c.event_data
    at_a_glance = flavour.type_at_a_glance(events).in_(kinds)
    says = or_(*(flavour.event_says_type(text, kind) for kind in kinds))
    if containing is not None:
        says = and_(flavour.messages.contains(text, containing), says)
    return case((is_very_long(flavour, text), at_a_glance), else_=says)


def last_event_ends(flavour: Flavour, instance_id: Any, execution_id: Any) -> ColumnElement[bool]:
    """Return whether the last event of an execution ends it, as far as can be told at first sight; NULL without one."""
    event = history.alias()
    return (
        select(may_be_of_type(flavour, event, *TERMINAL))
        .where(event.c.instance_id == instance_id, event.c.execution_id == execution_id)
        .order_by(event.c.event_id.desc())
        .limit(1)
        .scalar_subquery()
    )

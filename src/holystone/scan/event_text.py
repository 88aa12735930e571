"""Looking one event of an execution up."""

from typing import Any

from sqlalchemy import ColumnElement, select

from holystone.store.tables import history


def event_text(instance_id: Any, execution_id: Any, event_id: Any) -> ColumnElement[str]:
    """Return the text of the event with this key, all of it expressions or values; NULL where there is none."""
    event = history.alias().c
    return (
        select(event.event_data)
        .where(event.instance_id == instance_id, event.execution_id == execution_id, event.event_id == event_id)
        .scalar_subquery()
    )

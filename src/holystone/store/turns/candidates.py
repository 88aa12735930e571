"""Which instances a bulk operation looks at, page by page."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from holystone.duroxide.tables import executions, instances
from holystone.store.open_store import OpenStore
from holystone.store.turns.records import InstanceFilter

DEFAULT_LIMIT = 1000
"""What the engine takes where a filter gives no limit."""
_PAGE = 500


def candidates(store: OpenStore, filter: InstanceFilter, *conditions: ColumnElement[bool]) -> Iterator[str]:
    """Yield the instances that meet the filter but for its limit, and the conditions, in the order of their ids.

    Conditions are on the columns of the instance and of its current execution.
    """
    if filter.instance_ids is None:
        yield from _pages(store, filter, conditions)
        return
    # A statement takes some tens of thousands of values at most; a filter may name more.
    ids = sorted(set(filter.instance_ids))
    for first in range(0, len(ids), _PAGE):
        these = instances.c.instance_id.in_(ids[first : first + _PAGE])
        yield from _pages(store, filter, (these, *conditions))


def _pages(store: OpenStore, filter: InstanceFilter, conditions: Sequence[ColumnElement[bool]]) -> Iterator[str]:
    current = and_(
        executions.c.instance_id == instances.c.instance_id,
        executions.c.execution_id == instances.c.current_execution_id,
    )
    wanted = select(instances.c.instance_id).select_from(instances.outerjoin(executions, current)).where(*conditions)
    if filter.completed_before is not None:
        wanted = wanted.where(executions.c.completed_at < store.flavour.completed_at(filter.completed_before))
    wanted = wanted.order_by(instances.c.instance_id).limit(_PAGE)
    page: list[Any] = []
    while True:
        after = [instances.c.instance_id > page[-1]] if page else []
        with store.snapshot() as connection:
            page = list(connection.execute(wanted.where(*after)).scalars())
        if not page:
            return
        yield from page

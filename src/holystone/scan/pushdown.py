"""Predicate pushdown: conditions on one table, as conditions on another one with the same column."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, select
from sqlalchemy.sql import visitors


def rebind(
    column: ColumnElement[str], bound_to: Column[str], conditions: Sequence[ColumnElement[bool]]
) -> list[ColumnElement[bool]]:
    """Return the conditions that are on the column `bound_to` alone, for the other column: they narrow a join of both.

    A database does not see by itself that what holds for a row holds for its match as well.
    """

    def replaced(element: Any, **_: Any) -> Any:
        return column if element is bound_to else None

    return [
        visitors.replacement_traverse(condition, {}, replaced)
        for condition in conditions
        if all(part is bound_to for part in visitors.iterate(condition) if isinstance(part, Column))
    ]


def restrict_to_instances(
    column: ColumnElement[str], bound_to: Column[str], conditions: Sequence[ColumnElement[bool]]
) -> list[ColumnElement[bool]]:
    """Return the conditions that a row is of an instance which meets them; `bound_to` is the id in their own table.

    Ids that are given are looked up by index. To choose them by a subquery would have a whole history read instead.
    """
    narrowed = rebind(column, bound_to, conditions)
    return narrowed if len(narrowed) == len(conditions) else [column.in_(select(bound_to).where(*conditions))]

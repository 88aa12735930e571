"""Long texts, which are read one at a time: a value can be as long as a database takes one.

Whatever is read many rows at a time leaves them out, so that the memory it takes does not grow with them.
"""

from typing import Any

from sqlalchemy import ColumnElement, case, func, not_

from holystone.flavours import Flavour

LONG = 64 * 1024
"""Length in bytes beyond which a text is long."""

VERY_LONG = 1024 * 1024
"""Length in bytes beyond which a text is judged row by row, rather than many times in one statement."""


def is_very_long(flavour: Flavour, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a column holds a very long text; not where it holds none."""
    return func.coalesce(flavour.length(column), 0) > VERY_LONG


def is_long(flavour: Flavour, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a column holds a long text; NULL where it holds none."""
    return flavour.length(column) > LONG


def unless_long(flavour: Flavour, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what a column holds, NULL where that is a long text."""
    return case((not_(is_long(flavour, column)), column))


def unless_very_long(flavour: Flavour, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what a column holds, NULL where that is a very long text."""
    return case((not_(is_very_long(flavour, column)), column))

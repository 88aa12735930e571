"""Long texts, which are read one at a time: a value can be as long as a database takes one.

Whatever is read many rows at a time leaves them out, so that the memory it takes does not grow with them.
"""

from typing import Any

from sqlalchemy import ColumnElement, case, not_

from holystone.store.flavours import Flavour

LONG = 64 * 1024
"""Length in bytes beyond which a text is long."""


def is_long(flavour: Flavour, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a column holds a long text; NULL where it holds none."""
    return flavour.length(column) > LONG


def unless_long(flavour: Flavour, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what a column holds, NULL where that is a long text."""
    return case((not_(is_long(flavour, column)), column))

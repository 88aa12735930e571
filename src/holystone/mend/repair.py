"""What a repair is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from holystone.registry import Catalogue


class Safety(StrEnum):
    """Whether a repair is applied without being asked for by name."""

    safe = "safe"
    unsafe = "unsafe"


class Action(StrEnum):
    """What a repair does to the row that a finding is about."""

    update = "update"
    delete = "delete"


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One way to mend a row, declared; no field has a default.

    An update gives each of `columns` the value that the row's facts expect of it, where they decide one. A
    delete removes the row; `columns` is empty then. `applies` says of a row's facts whether the repair may
    touch it at all.
    """

    id: str
    title: str
    safety: Safety
    action: Action
    columns: tuple[str, ...]
    applies: Callable[[Any], bool]
    does: str
    loses: str
    needs: str
    undone: str


def always(facts: Any) -> bool:
    """For `applies`: the finding itself is reason enough."""
    return True


@cache
def repairs() -> Catalogue[Repair]:
    """Return every repair that is installed; CatalogueError where one cannot be loaded."""
    return Catalogue(Repair, "holystone.repairs")

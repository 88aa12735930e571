"""What a repair is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, Generic

from typing_extensions import TypeVar

from holystone.registry import Catalogue
from holystone.scan.compared import Compared
from holystone.scan.evidence import EVERYTHING, Evidence
from holystone.scan.relation import Facts

# Covariant, so that a catalogue can hold them all: a repair is given the facts of checks that name it, and no others.
F = TypeVar("F", bound=Facts, covariant=True, default=Facts)

Image = Mapping[str, Any]
"""Columns of a row and their values."""


class Safety(StrEnum):
    """Whether a repair is applied without being asked for by name."""

    safe = "safe"
    unsafe = "unsafe"


@dataclass(frozen=True)
class Set:
    """Columns of a row to write: as they are, and as they shall be."""

    before: Image
    after: Image
    table: str | None = None
    key: Image | None = None


@dataclass(frozen=True)
class Remove:
    """A row to remove; the journal keeps it whole."""

    table: str | None = None
    key: Image | None = None


@dataclass(frozen=True)
class Insert:
    """A row to make: the columns that tell it from others, and the rest of those that are given."""

    table: str
    key: Image
    rest: Image


Step = Set | Remove | Insert
"""What a repair does to one row: to that of the finding, where it names no other. Values are as the driver's."""


def no_reason(facts: Facts) -> None:  # it has no docstring, for there is no condition to tell of
    return None


@dataclass(frozen=True, kw_only=True)
class Repair(Generic[F]):
    """One way to mend a row, declared; no field but the last two has a default.

    `steps` says for a finding's facts what to do to which rows: all of it is done in one transaction, or nothing.
    `applies` says whether the repair may touch the row at all. It `rests_on` what no other finding of the same
    instances may call into question where it is to be safe. `unsafe_because` says for a finding's facts why the repair
    is not safe, as half a sentence; None where they are no reason. Its docstring says when it is, for the runbook.
    """

    id: str
    title: str
    safety: Safety
    steps: Callable[[F], Sequence[Step]]
    applies: Callable[[F], bool]
    does: str
    loses: str
    needs: str
    undone: str
    rests_on: frozenset[Evidence] = EVERYTHING
    unsafe_because: Callable[[F], str | None] = no_reason

    def for_facts(self, facts: Any) -> "Repair[F]":
        """Return the repair as it is for a row: unsafe where its facts say so."""
        if self.safety is Safety.safe and self.unsafe_because(facts) is not None:
            return replace(self, safety=Safety.unsafe)
        return self


def set_expected(*facts: Compared[object]) -> Sequence[Step]:
    """For `steps`: give the columns that these facts are of the values that are expected, where that is decided."""
    wrong = [one for one in facts if one.differs]
    return [Set({one.name: one.observed for one in wrong}, {one.name: one.expected for one in wrong})]


def reconcile_row(table: str, key: Image, before: Image | None, after: Image | None) -> Sequence[Step]:
    """For `steps`: make a row what it should be, none or a new one included; nothing where it is so already."""
    if before is None:
        return [] if after is None else [Insert(table, key, after)]
    if after is None:
        return [Remove(table, key)]
    wrong = [column for column, value in after.items() if before[column] != value]
    return [Set({c: before[c] for c in wrong}, {c: after[c] for c in wrong}, table, key)] if wrong else []


def delete_row(facts: Facts) -> Sequence[Step]:
    """For `steps`: remove the row."""
    return [Remove()]


def always(facts: Facts) -> bool:
    """For `applies`: the finding itself is reason enough."""
    return True


@cache
def repairs() -> Catalogue[Repair]:
    """Return every repair that is installed; CatalogueError where one cannot be loaded."""
    return Catalogue(Repair, "holystone.repairs")

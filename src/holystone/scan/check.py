"""What a check is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic

from msgspec import Struct
from sqlalchemy import ColumnElement, true
from typing_extensions import TypeVar

from holystone.scan.compared import Compared
from holystone.scan.evidence import EVERYTHING, Evidence
from holystone.scan.relation import Facts, Relation, Source

# Covariant, so that a catalogue can hold them all: a check is given what its own relation makes, and nothing else.
S = TypeVar("S", bound=Source, covariant=True, default=Source)
F = TypeVar("F", bound=Facts, covariant=True, default=Facts)


class Severity(IntEnum):
    """How bad a finding is; a higher one includes the lower ones in `--fail-on`."""

    info = 1
    warning = 2
    error = 3
    critical = 4


class Level(IntEnum):
    """How much a check reads; a higher level runs the lower ones too."""

    quick = 1
    standard = 2
    deep = 3
    restored = 4
    """All of it, and what to know of a copy on which nobody works yet: an engine at work would be found at its work."""


class Proof(IntEnum):
    """How much of a history a prefilter has to read to prove that a check finds nothing; a higher one includes a lower.

    It has read the rows of the executions and of the instance as well, and none of any queue.
    """

    boundary_events = 1
    """The first and the last event of each execution, and how many there are."""
    full_history = 2
    """Every event, and whether rows of keys are there."""


class NoRepair(Struct, frozen=True):
    """Says why no program may decide what to do about a finding."""

    because: str


@dataclass(frozen=True, kw_only=True)
class Check(Generic[S, F]):
    """One invariant, declared. No field but the last three has a default, so a check cannot forget one.

    `violated` is a predicate over a relation's source, in SQLAlchemy Core: the scan joins those of all
    checks of a relation into one pass, one for each relation where a check names several. It may suspect too
    much, never too little. A suspect becomes a finding only where its facts are not as the check `expects` of
    them: it names those that it compares, in Python. They are read by the same code that writes rows: so each rule of
    derivation stands in one place, and the ways in which two databases read JSON cannot raise a false alarm.

    `how_to_look` is SQL that finds the bad rows, for people to paste: one text, or one for each flavour.
    `questions` is what a finding calls into question: no repair that rests on it is safe in the same instance.
    It is `proved_by` what a prefilter reads where it surely finds nothing in an instance that this leaves in no doubt:
    then it is asked of the others alone. Think of each check for itself; None is always right, and slower.

    `severity` is the highest of a finding; `severity_of` says for a finding's facts where it is lower.
    """

    id: str
    name: str
    title: str
    severity: Severity
    level: Level
    flavours: frozenset[str]
    relation: Relation[S, F] | tuple[Relation[S, F], ...]
    violated: Callable[[S], ColumnElement[bool]]
    expects: Callable[[F], Sequence[Compared[object]]]
    cause: Callable[[F], str | None]
    message: str
    asserts: str
    harm: str
    how_to_look: str | Mapping[str, str]
    false_alarms: str
    example: str
    repair: str | NoRepair
    questions: frozenset[Evidence] = EVERYTHING
    proved_by: Proof | None = None
    severity_of: Callable[[F], Severity] | None = None

    @property
    def diagnosis(self) -> Mapping[str, str]:
        """Flavour -> the SQL that finds the bad rows in a store of it."""
        if isinstance(self.how_to_look, str):
            return dict.fromkeys(sorted(self.flavours), self.how_to_look)
        return self.how_to_look

    @property
    def relations(self) -> tuple[Relation[S, F], ...]:
        """The relations whose rows the check looks at, mostly one."""
        return self.relation if isinstance(self.relation, tuple) else (self.relation,)

    def observe(self, facts: Any) -> tuple[dict[str, object], dict[str, object]] | None:
        """Return the values observed and expected, or None where the facts bear no finding out."""
        compared = [one for one in self.expects(facts) if one.decided]
        observed = {one.name: one.observed for one in compared}
        expected = {one.name: one.expected for one in compared}
        return (observed, expected) if observed != expected else None


def any_row(source: Source) -> ColumnElement[bool]:
    """For `violated`: the relation itself tells which rows are suspects, and asks no condition of SQL."""
    return true()


BOTH = frozenset({"sqlite", "postgresql"})
"""For `flavours`: the check applies to both."""


def no_cause(facts: Facts) -> None:
    """For `cause`: the check knows one way only in which its bad state comes about."""

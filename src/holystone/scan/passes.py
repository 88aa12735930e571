"""Passes: looks at the rows of one relation each, for all checks of it, in pieces that connections share out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from holystone.scan.check import Check
from holystone.scan.parallel import Work
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Relation
from holystone.store.savepoint import savepoint

Progress = Callable[[str, int, int], None]
"""Called with a relation's name, the rows done, and the rows in all."""


@dataclass(frozen=True, eq=False)
class Pass:
    """A look at `total` rows of a relation, span by span."""

    relation: Relation[Any]
    checks: Sequence[Check]
    spans: Sequence[Conditions]
    total: int

    def pieces(self, reader: Callable[[Connection], Reader]) -> Iterator["Work[Connection, Step]"]:
        """Yield the pieces of work that make up the pass, one a span."""
        for number, span in enumerate(self.spans):
            yield partial(self._steps, reader=reader, span=span, done=number * self.total // len(self.spans))

    def _steps(
        self, connection: Connection, reader: Callable[[Connection], Reader], span: Conditions, done: int
    ) -> Iterator["Step"]:
        yield Step(self, done)
        predicates = [check.violated for check in self.checks]
        try:
            with savepoint(connection):
                for flags, facts in self.relation.suspects(reader(connection), predicates, span):
                    yield Step(self, done, flags, facts)
        except (Exception, SystemExit) as error:  # a check may be a plug-in's, and fail in any way
            yield Step(self, done, error=error)


@dataclass(frozen=True)
class Step:
    """A suspect, and which of the pass's checks suspect it; or none, where `done` rows are done, or an error came."""

    of: Pass
    done: int
    flags: Sequence[bool] = ()
    facts: Any = None
    error: BaseException | None = None

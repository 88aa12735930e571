"""Scans of relations: the rows of one relation each, for all checks of it, in tasks that connections share out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field
from sqlalchemy import Connection

from holystone.flavours.savepoint import savepoint
from holystone.scan.around import read_around
from holystone.scan.check import Check
from holystone.scan.parallel import Task
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Relation
from holystone.scan.unread import Unread, may_be_of_rows

Progress = Callable[[str, int, int], None]
"""Called with a relation's name, the rows done, and the rows in all."""


class RelationScan(Struct, frozen=True, eq=False):
    """A scan of `total` rows of a relation, range by range."""

    relation: Relation
    checks: Sequence[Check]
    key_ranges: Sequence[Conditions]
    total: int

    def tasks(self, reader: Callable[[Connection], Reader]) -> Iterator["Task[Connection, Step]"]:
        """Yield the tasks that make up the scan, one for each key range."""
        for number, key_range in enumerate(self.key_ranges):
            yield partial(
                self._steps, reader=reader, key_range=key_range, done=number * self.total // len(self.key_ranges)
            )

    def _steps(
        self, connection: Connection, reader: Callable[[Connection], Reader], key_range: Conditions, done: int
    ) -> Iterator["Step"]:
        yield Step(self, done)
        here, last = reader(connection), Last("" if self.relation.of_store else self.relation.range_column.name)
        try:
            with savepoint(connection):
                yield from self._suspects(here, key_range, done, last)
        except (Exception, SystemExit) as error:  # a check may be a plug-in's, and fail in any way
            if self.relation.of_store or not may_be_of_rows(here, error):
                yield Step(self, done, error=error)
            else:
                yield from self._one_by_one(here, key_range, done, last)

    def _suspects(self, reader: Reader, key_range: Conditions, done: int, last: "Last") -> Iterator["Step"]:
        predicates = [check.violated for check in self.checks]
        for flags, facts in self.relation.suspects(reader, predicates, key_range):
            if last.is_new(facts.key):
                yield Step(self, done, flags, facts)
            del facts  # they may hold long texts, and the next ones take long

    def _one_by_one(self, reader: Reader, key_range: Conditions, done: int, last: "Last") -> Iterator["Step"]:
        """Yield the rest of a range of which some rows cannot be read, and those by the value that names them."""
        suspects = partial(self._suspects, reader, done=done, last=last)
        try:
            for found in read_around(reader, self.relation, key_range, last.value, suspects):
                yield Step(self, done, [True] * len(self.checks), found) if isinstance(found, Unread) else found
        except Exception as error:
            yield Step(self, done, error=error)


class Last(Struct):
    """The suspects that came last, all those of one value of a column: they may come once more."""

    column: str
    value: Any = None
    _keys: set[Any] = field(default_factory=set)

    def is_new(self, key: Mapping[str, Any]) -> bool:
        """Return whether the suspect with this key has not come before."""
        if key.get(self.column) != self.value:
            self.value, self._keys = key.get(self.column), set()
        before = len(self._keys)
        self._keys.add(frozenset(key.items()))
        return len(self._keys) > before


class Step(Struct, frozen=True):
    """A suspect, and which of the pass's checks suspect it; or none, where `done` rows are done, or an error came."""

    scan: RelationScan
    done: int
    flags: Sequence[bool] = ()
    facts: Any = None
    error: BaseException | None = None

"""What a prefilter is."""

import gc
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any, ClassVar

from msgspec import Struct, field
from sqlalchemy import Select

from holystone.duroxide.tables import executions, instances
from holystone.scan.check import Check, Proof
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Relation
from holystone.store.open_store import OpenStore

CheckGroups = Sequence[tuple[Relation, Sequence[Check]]]
"""Relations, each with the checks that look at it."""
Verdict = tuple[Any, int, bool, bool]
"""Of an execution: its instance, how many events it has, whether it surely is as the engine writes it, and whether keys
may have been set or cleared."""

_FEW = 1_000
"""Instances in doubt that are few in any store."""


class PrefilterResult(Struct):
    """What came of a part of a store: how much of it there is, and the ids of the instances in doubt, in order."""

    instances: int = 0
    executions: int = 0
    events: int = 0
    doubtful: list[str] = field(default_factory=list)
    with_keys: list[str] = field(default_factory=list)
    """The ids of the instances that may have to do with keys, as long as they are not too many."""
    too_many_with_keys: bool = False
    has_unnameable_ids: bool = False
    """Whether there is an instance in doubt whose id is no text, so that it cannot be named."""

    @property
    def doubts_too_many(self) -> bool:
        """Whether so many are in doubt that all may be looked at as well."""
        return self.has_unnameable_ids or self._are_many(self.doubtful)

    def instances_left(self, relation: Relation) -> Sequence[str] | None:
        """Return the ids of the instances that a relation has still to look at; None for all of them."""
        if not relation.reads_keys:
            return list(dict.fromkeys(self.doubtful))
        return None if self.too_many_with_keys else list(dict.fromkeys([*self.doubtful, *self.with_keys]))

    def rows(self, relation: Relation) -> int | None:
        """Return how many rows a relation has; None where that is not sure."""
        # Histories were gone through, and only where nothing is in doubt is there an execution for each, and no other.
        if self.doubtful or not relation.reported:
            return None
        return {instances: self.instances, executions: self.executions}.get(relation.table)

    def add_instance(self, instance_id: Any, notes: list[str]) -> None:
        """Add an instance to one of the lists."""
        if not isinstance(instance_id, str):
            self.has_unnameable_ids = True
        elif not notes or notes[-1] != instance_id:
            notes.append(instance_id)

    def _are_many(self, some: Sequence[str]) -> bool:
        return len(some) > max(_FEW, self.instances // 2)

    def add(self, other: "PrefilterResult") -> None:
        """Add what came of the next part."""
        self.instances += other.instances
        self.executions += other.executions
        self.events += other.events
        self.doubtful += other.doubtful
        self.with_keys += other.with_keys
        self.too_many_with_keys |= self._are_many(self.with_keys)
        if self.too_many_with_keys:
            self.with_keys = []
        self.has_unnameable_ids |= other.has_unnameable_ids


class Prefilter(ABC):
    """One look at all histories of a store."""

    name: ClassVar[str]
    needs: ClassVar[Mapping[str, Collection[str]]]
    """The columns that the engine's first versions did not have yet, and the prefilter cannot do without."""
    proof: ClassVar[Proof]
    """What it reads of a history: checks declare by how much they are proved."""
    replaces_scans_of: ClassVar[frozenset[str]]
    """The names of the relations that have to be saved a look at all their rows, for the prefilter to be quicker."""

    def proves(self, check: Check) -> bool:
        """Return whether the check surely finds nothing in an instance that is not in doubt."""
        return check.proved_by is not None and check.proved_by <= self.proof

    def fits(self, store: OpenStore, groups: CheckGroups) -> bool:
        """Return whether it saves enough of these scans at a store's relations."""
        saved = {relation.name for relation, checks in groups if any(map(self.proves, checks))}
        has_columns = all(store.columns[table].issuperset(columns) for table, columns in self.needs.items())
        return has_columns and self.replaces_scans_of <= saved

    def executions_per_range(self, reader: Reader, jobs: int, least: int) -> int:
        """Return in ranges of how many executions it goes through a store, which so many jobs share out."""
        return least

    def run(self, reader: Reader, within: Conditions) -> PrefilterResult:
        """Return what came of the executions that meet the conditions, which are on columns of `history`.

        OutOfTimeError where the run time of the store is over before that.
        """
        result = PrefilterResult()
        last: Any = None
        with without_garbage():
            for instance_id, events, is_sound, has_keys in self.verdicts(reader, within):
                reader.store.require_time()
                result.instances += instance_id != last
                last = instance_id
                result.executions += 1
                result.events += events
                if not is_sound:
                    result.add_instance(instance_id, result.doubtful)
                if has_keys:
                    result.add_instance(instance_id, result.with_keys)
        return result

    @abstractmethod
    def verdicts(self, reader: Reader, within: Conditions) -> Iterator[Verdict]:
        """Yield what is to be thought of each execution; those of an instance one after the other, in order."""


@contextmanager
def streamed(reader: Reader, statement: Select[Any]) -> Iterator[Iterator[Any]]:
    """Yield the rows of a statement that fetches many: in less time than by iterating over its result."""
    with closing(reader.connection.execute(statement.execution_options(yield_per=500))) as result:
        yield chain.from_iterable(result.partitions())


@contextmanager
def without_garbage() -> Iterator[None]:
    """Keep Python from looking for cycles of objects: of the millions that are made here none is in one."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

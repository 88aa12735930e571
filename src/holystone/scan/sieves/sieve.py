"""What a sieve is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions


class Judged(NamedTuple):
    """What is thought of an execution: whether it surely is as the engine writes it."""

    instance_id: Any
    events: int
    is_sound: bool


_FEW = 1_000
"""Instances in doubt that are few in any store."""


@dataclass
class Sifted:
    """What came of a part of a store: how much of it there is, and the ids of the instances in doubt, in order."""

    instances: int = 0
    executions: int = 0
    events: int = 0
    doubtful: list[str] = field(default_factory=list)
    strange: bool = False
    """Whether there is an instance in doubt whose id is no text, so that it cannot be named."""

    @property
    def is_hopeless(self) -> bool:
        """Whether so many are in doubt that all may be looked at as well."""
        return self.strange or len(self.doubtful) > max(_FEW, self.instances // 5)

    def note(self, judged: Judged) -> None:
        """Add an execution."""
        self.executions += 1
        self.events += judged.events
        if judged.is_sound:
            return
        if not isinstance(judged.instance_id, str):
            self.strange = True
        elif not self.doubtful or self.doubtful[-1] != judged.instance_id:
            self.doubtful.append(judged.instance_id)

    def add(self, other: "Sifted") -> None:
        """Add what came of the next part."""
        self.instances += other.instances
        self.executions += other.executions
        self.events += other.events
        self.doubtful += other.doubtful
        self.strange |= other.strange


class Sieve(ABC):
    """One look at all histories of a store."""

    name: ClassVar[str]
    proves: ClassVar[frozenset[str]]
    """The ids of the checks that surely find nothing in an instance that is not in doubt.

    Each has to be thought of for itself: another check of the same relation may look at what no sieve reads.
    """
    pays_for: ClassVar[frozenset[str]]
    """The names of the relations that have to be saved a look at all their rows, for the sieve to be quicker."""

    def sift(self, reader: Reader, within: Conditions) -> Sifted:
        """Return what came of the executions that meet the conditions, which are on columns of `history`."""
        sifted = Sifted()
        last: Any = None
        for judged in self.judged(reader, within):
            sifted.instances += judged.instance_id != last
            last = judged.instance_id
            sifted.note(judged)
        return sifted

    @abstractmethod
    def judged(self, reader: Reader, within: Conditions) -> Iterator[Judged]:
        """Yield what is to be thought of each execution; those of an instance one after the other, in order."""

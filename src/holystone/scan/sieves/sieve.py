"""What a sieve is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions

Judged = tuple[Any, int, bool]
"""Of an execution: its instance, how many events it has, and whether it surely is as the engine writes it."""

_FEW = 1_000
"""Instances in doubt that are few in any store."""


@dataclass
class Sifted:
    """What came of a part of a store: how much of it there is, and the ids of the instances in doubt, in order."""

    instances: int = 0
    events: int = 0
    doubtful: list[str] = field(default_factory=list)
    strange: bool = False
    """Whether there is an instance in doubt whose id is no text, so that it cannot be named."""

    @property
    def is_hopeless(self) -> bool:
        """Whether so many are in doubt that all may be looked at as well."""
        return self.strange or len(self.doubtful) > max(_FEW, self.instances // 5)

    def doubt(self, instance_id: Any) -> None:
        if not isinstance(instance_id, str):
            self.strange = True
        elif not self.doubtful or self.doubtful[-1] != instance_id:
            self.doubtful.append(instance_id)

    def add(self, other: "Sifted") -> None:
        """Add what came of the next part."""
        self.instances += other.instances
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
        for instance_id, events, is_sound in self.judged(reader, within):
            sifted.instances += instance_id != last
            last = instance_id
            sifted.events += events
            if not is_sound:
                sifted.doubt(instance_id)
        return sifted

    @abstractmethod
    def judged(self, reader: Reader, within: Conditions) -> Iterator[Judged]:
        """Yield what is to be thought of each execution; those of an instance one after the other, in order."""

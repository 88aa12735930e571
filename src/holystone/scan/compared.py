"""What is known of one fact: how it is, and how it should be."""

from typing import Generic, TypeVar

from msgspec import Struct

V = TypeVar("V", covariant=True)


class Compared(Struct, Generic[V], frozen=True):
    """A fact as it is and as it should be; findings call it by its `name`, which is that of the column if it is one.

    Where it is not `decided`, nothing tells what it should be, and nobody asks what is `expected`.
    """

    name: str
    observed: V
    expected: V
    decided: bool = True

    @property
    def differs(self) -> bool:
        """Whether it surely is not as it should be."""
        return self.decided and self.observed != self.expected

    def expecting(self, expected: object) -> "Compared[object]":
        """Return the same fact with what a check expects of its own accord."""
        return Compared(self.name, self.observed, expected)


def presence(name: str, is_there: bool, *, decided: bool = True) -> Compared[str]:
    """Return a fact of something that should be there: `present` or `absent`."""
    return Compared(name, "present" if is_there else "absent", "present", decided)

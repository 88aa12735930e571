"""Relations of facts: one select for both flavours, over which checks are predicates."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, FromClause, Table

from holystone.store.flavours import Flavour

Key = Mapping[str, Any]
"""Primary key of the row that a finding is about: column -> value."""


class Facts(Protocol):
    """All that is known of one row, and what its neighbours say it should hold."""

    @property
    def key(self) -> Key:
        """The row's primary key."""

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What the expectations rest on, as JSON: a change is made only while it stays the same."""

    def observed(self, column: str) -> Any:
        """Return the value that the column has."""

    def decided(self, column: str) -> bool:
        """Return whether the facts allow to say what the column should hold."""

    def expected(self, column: str) -> Any:
        """Return the value that the column should hold; only where it is decided."""


class Source(Protocol):
    """The rows of a relation as a database sees them: what predicates are written over."""

    flavour: Flavour

    @property
    def rows(self) -> FromClause:
        """What to select from."""

    @property
    def key(self) -> Sequence[ColumnElement[Any]]:
        """The columns of `rows` that tell one row from the others, and in the order of which they come."""

    def output(self) -> Sequence[ColumnElement[Any]]:
        """Return the columns to fetch of each suspect, in the order that `Relation.facts` reads."""


F = TypeVar("F", bound=Facts)


class Relation(ABC, Generic[F]):
    """One kind of row with everything that a check of it may ask."""

    name: ClassVar[str]
    table: ClassVar[Table]
    """The table whose rows the findings are about; its key begins with instance_id."""

    @abstractmethod
    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> Source:
        """Return the relation's rows, restricted by conditions on the columns of `table`."""

    @abstractmethod
    def facts(self, flavour: Flavour, row: Any) -> F:
        """Return the facts in a row that was fetched with the source's `output`."""

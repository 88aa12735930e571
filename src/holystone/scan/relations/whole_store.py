"""The store as a whole: one row, of no instance, whose facts are read from elsewhere than the engine's rows."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, MetaData, Table, literal, select

from holystone.flavours import Flavour
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Facts, Key, Relation, Suspect
from holystone.scan.row_facts import RowFacts

F = TypeVar("F", bound=Facts, covariant=True)


class StoreFacts(RowFacts, frozen=True):
    """What is known of the store as a whole."""

    @property
    def key(self) -> Key:
        return {}


class WholeStoreSource:
    """The one row: of the store itself nothing is suspected less than all, so that `is_there` is every predicate."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        self.rows: FromClause = select(literal(1).label("store")).where(*within).subquery("whole")
        self.key = (self.rows.c.store,)

    @property
    def is_there(self) -> ColumnElement[bool]:
        return self.rows.c.store == 1

    def output(self) -> Sequence[ColumnElement[Any]]:
        return self.key


class WholeStore(Relation[WholeStoreSource, F]):
    """A relation of that row: looked at once, whatever the engine has written since, and however many jobs there are.

    There may be several facts of it, each about columns of its own, by which a check knows those that it is about.

    A repair of it would have to name the table of each of its steps.
    """

    table = Table("store", MetaData())
    of_store = True
    counted = False
    follows_acks = False

    def source(self, flavour: Flavour, within: Conditions) -> WholeStoreSource:
        return WholeStoreSource(flavour, within)

    def suspects(
        self, reader: Reader, predicates: Sequence[Callable[[Any], ColumnElement[bool]]], within: Conditions
    ) -> Iterator[Suspect[F]]:
        """Yield the row, where any of the predicates is true of it.

        It is fetched at once: a role may be refused what the facts read, and a cursor that is open then stays open.
        """
        source = self.source(reader.flavour, within)
        flags = [predicate(source).label(f"violated_{number}") for number, predicate in enumerate(predicates)]
        for row in reader.connection.execute(select(*flags).select_from(source.rows)).all():
            if any(row):
                for facts in self.found(reader):
                    yield [bool(flag) for flag in row], facts

    @abstractmethod
    def found(self, reader: Reader) -> Iterable[F]:
        """Return what is known of the store."""

    def facts(self, reader: Reader, row: Any) -> F:
        """Nothing asks for one of them: a row of a look at the store has no values."""
        raise NotImplementedError

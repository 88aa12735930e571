"""What a flavour has to answer for where the structure of a store is read, recognised or changed."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from msgspec import Struct
from sqlalchemy import Connection, Index
from sqlalchemy.schema import CreateIndex

from holystone.flavours.lineage import Facts, Lineage

FEW_NUMBERS = 1_000_000
"""Numbers for messages: with fewer left than these a queue is at its end, which no engine lives to see by itself."""


class LedgerEntry(Struct, frozen=True):
    """A migration in the engine's own ledger; `fault` says why the engine would not count it as run, or None."""

    version: int
    fault: str | None


class Functions(Struct, frozen=True):
    """What is wrong with the engine's functions in a store.

    `missing` are their signatures. `altered` says of each that is there what of it is not the engine's own, and
    `elsewhere` how many name another schema than the one they are in; those of `gone` do not exist.
    """

    missing: Sequence[str]
    altered: Mapping[str, str]
    elsewhere: Mapping[str, int]
    gone: Collection[str] = ()


OURS = "holystone_"
"""What the names of holystone's own objects begin with."""

Objects = Mapping[str, str]
"""Name of an object, such as `trigger audit on history` -> what of it matters, in the flavour's own words."""


class Structure(ABC):
    """The tables, indexes and migrations of one store."""

    lineage: ClassVar[Lineage]
    branch: ClassVar[str]
    """The branch of the revisions that make the engine's tables, as far as holystone can make them."""
    engine_completes: ClassVar[str | None]
    """What the engine itself adds to a store that holystone made, when it first opens it; None for nothing."""

    one_transaction: ClassVar[bool]
    """Whether all that a migrator does is one transaction; else each revision is one, and an index is built outside."""

    @property
    @abstractmethod
    def how_to_complete(self) -> str:
        """Return what to do about a store that lacks tables or columns of newer engines."""

    @property
    @abstractmethod
    def before_creation(self) -> str:
        """Return the statement that goes before those of the revisions where a store is made by hand."""

    @property
    @abstractmethod
    def shell(self) -> str:
        """Return the command that takes statements for the target from its standard input, without a password."""

    @abstractmethod
    def facts(self, connection: Connection, tables: Collection[str]) -> Facts:
        """Return what these tables are made of; nothing of those not there."""

    @abstractmethod
    def additions(self, connection: Connection, tables: Collection[str]) -> Sequence[str]:
        """Return the tables of the schema but these, and the triggers on these, such as `trigger audit on history`."""

    @abstractmethod
    def functions(self, connection: Connection, version: int | None) -> Functions:
        """Return what is wrong with the engine's functions after a migration; None for one that nobody knows here."""

    @abstractmethod
    def interference(self, connection: Connection, tables: Collection[str]) -> Objects:
        """Return what others have put on these tables that can stop, swallow or change what is written to them."""

    @abstractmethod
    def sequences(self, connection: Connection) -> Objects:
        """Return the sequences of the queues that have no number for the next message, and why."""

    @abstractmethod
    def unusable_indexes(self, connection: Connection, tables: Collection[str]) -> Objects:
        """Return the engine's own indexes of these tables that the database does not use or keep up to date."""

    @abstractmethod
    def other_stores(self, connection: Connection) -> Sequence[str]:
        """Return the schemas of the same database that hold stores as well; none where it holds but one."""

    @abstractmethod
    def damages(self, connection: Connection, tables: Collection[str]) -> Objects:
        """Return what of the database itself is damaged, and how: above all indexes that differ from their tables.

        On SQLite it is the whole file; on PostgreSQL the indexes of these tables. It reads all of it.
        """

    @abstractmethod
    def ledger(self, connection: Connection) -> Sequence[LedgerEntry] | None:
        """Return the engine's ledger by version; None where there is none."""

    @abstractmethod
    def is_vacant(self) -> bool:
        """Return whether there is nothing at the target, so that a store can be made there."""

    @abstractmethod
    def creation(self) -> AbstractContextManager[Connection]:
        """Yield a connection to an empty database in one transaction, at whose end the target is there, whole.

        It never takes the place of something else: TakenError where anything is there, and HolystoneError where
        none can be made.
        """

    @abstractmethod
    def migration(self) -> AbstractContextManager[Connection]:
        """Yield a writing connection for revisions, with every other migrator of holystone's kept out until its end.

        It is in a transaction where all is to be one, and else in none.
        """

    @abstractmethod
    def build_index(self, connection: Connection, index: Index) -> None:
        """Build an index on a table of the engine's, unless it is there and whole.

        On a connection that commits by itself the engine goes on writing meanwhile, where the flavour can do that;
        and what an interrupted build has left is removed first.
        """

    @abstractmethod
    def index_statement(self, index: Index) -> CreateIndex:
        """Return the statement to build it by hand, outside any transaction where there may be such a thing."""

    @abstractmethod
    def remove_index(self, connection: Connection, index: Index) -> None:
        """Remove an index from such a table in the same way; nothing where it is not there."""

    @abstractmethod
    def lock_tables(self, connection: Connection, tables: Collection[str]) -> None:
        """Keep all others from these tables until the transaction ends."""

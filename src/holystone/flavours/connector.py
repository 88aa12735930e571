"""What a flavour has to answer for where a store is connected to, locked, and read as of one moment."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, Dialect, Engine, Executable, Table, cast, null
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from holystone.duroxide.tables import metadata
from holystone.errors import HolystoneError
from holystone.flavours.changes import Changes, Position
from holystone.flavours.statements import (
    MOST_IN_WORDS,
    BoundStatement,
    CompiledStatement,
    NoRowError,
    Required,
    StatementResult,
    Step,
    failed,
)
from holystone.flavours.target import Target

Columns = Mapping[str, frozenset[str]]
"""Table name -> names of its columns."""


class Held(Struct, frozen=True):
    """A row that another session has locked, or a whole table where `key` is None; `by` names the session.

    The values of the key are in the order of the names of their columns.
    """

    table: str
    key: tuple[Any, ...] | None
    by: str


class Located(Struct, frozen=True):
    """Where a store is: its schema, and the columns of its tables with those of pg_durable's, if they are beside it.

    `no_extension` says why those are not looked at, None where they are.
    """

    schema: str | None
    columns: Columns
    no_extension: str | None


class LacksColumnError(Exception):
    """A store of an older engine has not the column that is asked about; the text is its name."""


class Connector(ABC):
    """The connections to one target, what its database can be asked to do, and what its errors mean."""

    writers_wait: bool
    """Whether a transaction of turns keeps all others waiting, so that a look before one is worth its while."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.stored: Columns = {}
        """The columns that the store has, once it is open: an older engine's lacks some."""
        self._words: LRUCache[tuple[Executable, tuple[str, ...]], CompiledStatement] = LRUCache(MOST_IN_WORDS)

    def has_table(self, table: Table) -> bool:
        """Return whether the store has the table."""
        return not self.stored or table.fullname in self.stored

    @property
    def is_complete(self) -> bool:
        """Whether the store has all tables and columns of the newest engine that is known."""
        return all(self.has_table(table) and all(map(self.has, table.c)) for table in metadata.tables.values())

    def required(self, column: Column[Any]) -> Column[Any]:
        """Return the column, without which a question has no sense; LacksColumnError where the store lacks it."""
        if not self.has(column):
            raise LacksColumnError(f"{column.table.name}.{column.name}")
        return column

    def has(self, column: Column[Any]) -> bool:
        """Return whether the store has the column of a table that it has."""
        table = column.table
        return column.name in self.stored.get(getattr(table, "fullname", table.name), (column.name,))

    def columns_of(self, table: Table) -> list[ColumnElement[Any]]:
        """Return all columns of a table; NULL by the name of each that the store of an older engine lacks."""
        return [one if self.has(one) else cast(null(), one.type).label(one.name) for one in table.columns]

    @abstractmethod
    def create_engine(self, *, read_only: bool) -> Engine:
        """Return an engine on the target, without connecting; never creates a database.

        A transaction on a read-only engine is one snapshot of the store and cannot write; one on a
        writing engine holds off other writers where the flavour works that way.
        """

    @abstractmethod
    def create_turn_engine(self) -> Engine:
        """Return a writing engine for turns, as durable and as patient as the engine itself is.

        It keeps its connections until it is disposed of: making one takes longer than many a turn.
        """

    def execute_pipeline(self, connection: Connection, steps: Sequence[BoundStatement]) -> list[StatementResult]:
        """Run statements of a turn, one after the other, and return what came of each.

        A flavour may send them all at once, so none may depend on what came of another.
        """
        try:
            return self._run(connection, steps)
        except connection.dialect.loaded_dbapi.Error as error:
            raise failed(connection, error) from error

    def commit_pipeline(self, connection: Connection, steps: Sequence[Step]) -> list[StatementResult]:
        """Run the last statements of a turn, and return what came of each; a flavour may commit with them.

        NoRowError where one that is `Required` finds no row: then nothing is committed.
        """
        try:
            return self._run_last(connection, steps)
        except connection.dialect.loaded_dbapi.Error as error:
            raise failed(connection, error) from error

    def _run(self, connection: Connection, steps: Sequence[Step]) -> list[StatementResult]:
        results = []
        for step, words in zip(steps, self._in_words(connection, steps), strict=True):
            results.append(words.outcome(words.run(connection, step[1])))
            if isinstance(step, Required) and not results[-1].rows:
                raise NoRowError
        return results

    def _run_last(self, connection: Connection, steps: Sequence[Step]) -> list[StatementResult]:
        return self._run(connection, steps)

    def _in_words(self, connection: Connection, steps: Sequence[Step]) -> Iterator[CompiledStatement]:
        for statement, parameters in steps:
            names = tuple(parameters if isinstance(parameters, Mapping) else parameters[0])
            words = self._words.get((statement, names))
            if words is None:
                words = self._words[statement, names] = CompiledStatement(connection, statement, names)
            yield words

    @abstractmethod
    def export_snapshot(self, connection: Connection) -> str | None:
        """Return what other connections need in order to see the store as this one does, None for nothing."""

    @abstractmethod
    def import_snapshot(self, connection: Connection, view: str | None) -> None:
        """Make a connection, whose transaction has just begun, see the store as the one that shared its view."""

    def lock_tables_shared(  # noqa: B027
        self, connection: Connection, tables: Collection[str], patience: float | None, *, alone: bool
    ) -> None:
        """Keep these tables as they are until the transaction ends, which is to begin with this.

        Waits for whoever is changing one: for so many seconds, without end for None. Unless it is `alone`, other
        connections are to hold them as well.
        """

    def try_lock_tables_shared(self, connection: Connection, tables: Collection[str]) -> bool:
        """Do the same beside a connection that holds them, once its view is adopted, and without waiting.

        Return whether that was possible: not where somebody waits until he may change one.
        """
        return True

    def tune_for_scan(self, connection: Connection) -> None:  # noqa: B027
        """Have a snapshot's connection do what is quicker for a scan, up to the end of its transaction."""

    def strict_utf8(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a context in which text is read more quickly, and a statement fails that comes upon any other."""
        return nullcontext()

    def long_text(self, connection: Connection, statement: Executable) -> Any:
        """Return the one value that a statement selects, which can be as long as a database takes one."""
        return connection.execute(statement).scalar_one()

    @abstractmethod
    def limit_statements(self, connection: Connection, seconds: float) -> None:
        """Make statements on the connection fail when they take longer, until its transaction ends."""

    def limit_transaction(self, connection: Connection, seconds: float) -> None:  # noqa: B027
        """Have the database itself end the transaction after that, if it can: nobody here may be able to any more."""

    @abstractmethod
    def interrupt(self, connection: Connection) -> None:
        """Make the statement that another thread runs on the connection fail at once, if there is one."""

    @abstractmethod
    def dialect(self) -> Dialect:
        """Return the dialect in which to write SQL for people to read and paste."""

    def locate(self, connection: Connection) -> Located:
        """Return where the store is that the target names.

        NotAStoreError where something else is there, or nothing.
        """
        return Located(self.target.schema, self.columns(connection), self.no_extension)

    no_extension = "pg_durable is on PostgreSQL alone"
    """Why there is no pg_durable beside a store, where the flavour has none."""

    def may_hold(self, executions: int) -> bool:
        """Return whether the store may have so many executions, as far as can be told without a connection."""
        return True

    @abstractmethod
    def columns(self, connection: Connection) -> Columns:
        """Return the tables of the store's schema, with their columns; empty where there are none.

        With those of pg_durable's, by their names with the schema, where the store is known to have them beside it.
        """

    @abstractmethod
    def no_store(self, connection: Connection) -> HolystoneError:
        """Return the error to raise where the target holds no table of the engine."""

    @abstractmethod
    def require_writable(self, connection: Connection) -> None:
        """Raise StoreUnavailableError where it is plain that nobody can write to the store here."""

    def may_write(self, connection: Connection, table: Table) -> bool:
        """Return whether this user may add rows to a table of the store and delete them, as far as can be told."""
        try:
            self.require_writable(connection)
        except HolystoneError:
            return False
        return True

    @abstractmethod
    def translate_error(self, error: DBAPIError) -> HolystoneError:
        """Return what a driver's error means to a user, in one sentence without secrets."""

    def is_of_rows(self, error: DBAPIError) -> bool:
        """Return whether it is rows that cannot be read, such as damaged ones: others of the same table may be."""
        return False

    def too_great(self, error: DBAPIError) -> str | None:
        """Return what is said of a number that no column can hold, None where the error is of something else."""
        return None

    def is_of_lock(self, error: DBAPIError) -> bool:
        """Return whether somebody else holds what the statement wanted; others can still be run after a savepoint."""
        return False

    def is_of_one_statement(self, error: DBAPIError) -> bool:
        """Return whether others can still be run in the same transaction, for it is about a value of this one alone."""
        return False

    def by_index(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a context in which rows are looked up one by one, and no table is read as it lies."""
        return nullcontext()

    def hashing(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a context in which rows of a whole table are grouped in memory, and not in the order of an index."""
        return nullcontext()

    def is_refusal(self, error: DBAPIError) -> bool:
        """Return whether the database denied the role what it asked for, and nothing else went wrong."""
        return False

    @abstractmethod
    def lying_indexes(self, connection: Connection, columns: Columns, instance_ids: Sequence[str]) -> list[str]:
        """Return a sentence for each index that does not show the rows of these instances as its table has them."""

    @abstractmethod
    def exclude_engine(self, connection: Connection, instance_ids: Sequence[str]) -> set[str]:
        """Keep the engine from beginning a turn of these instances until the transaction ends.

        Returns those that another fetch is at work on this moment. A turn that has begun shows as an
        unexpired row of instance_locks, which the caller looks for after this.
        """

    def who_holds(self, connection: Connection, instance_id: str) -> str | None:
        """Return who has this hold of an instance, None where nobody has or where it cannot be told."""
        return None

    @abstractmethod
    def try_advisory_lock(self, instance_id: ColumnElement[str]) -> ColumnElement[bool]:
        """Return what to select in order to do as `exclude_engine` does, with the answer as its value."""

    @abstractmethod
    def advisory_lock(self, instance_id: ColumnElement[str]) -> ColumnElement[Any] | None:
        """Return what to select in order to wait for others at work on an instance, and to keep them off after.

        They are those who take this very hold, a fetch of the engine's among them, until the transaction ends.
        None where a transaction of turns has shut out all others anyway.
        """

    def or_fail(self, condition: ColumnElement[bool], number: ColumnElement[int]) -> ColumnElement[int]:
        """Return an expression that is the number, and NoRowError where a condition does not hold.

        The condition is of what others may have changed since the statement before: on SQLite it holds.
        """
        return number

    @abstractmethod
    def lock_rows(self, connection: Connection, keys: Mapping[str, Sequence[Mapping[str, Any]]]) -> Sequence[Held]:
        """Keep others from writing to these rows until the transaction ends; `keys` are by table name.

        Return those that others hold, without waiting for them.
        """

    @abstractmethod
    def position(self, connection: Connection) -> Position:
        """Return where the store stands now, for `changed_since`."""

    @abstractmethod
    def changed_since(self, connection: Connection, position: Position, *, kept_outside: bool = False) -> Changes:
        """Return the instances that the engine has written to since the store stood at `position`.

        A position that was `kept_outside` of the store may be that of another: of one that was there before a restore.
        Then all is to be looked at where that cannot be ruled out. Rows that somebody edited by hand may be missing
        among them, and rows that were deleted are.
        """

    def can_be_forked(self) -> bool:
        """Return whether a process that is forked now may open connections of its own."""
        return True

    def end_forked(self) -> None:  # noqa: B027
        """Do what is left to do once processes have ended that were forked to read the store."""

    def begin_reading(self) -> None:  # noqa: B027 (not every flavour has something to remember)
        """Prepare for connections that read."""

    def end_reading(self) -> None:  # noqa: B027 (nor to verify)
        """End what `begin_reading` began; StoreChangedError where what was read cannot be relied on."""

"""What a flavour has to answer for: everything that SQLite and PostgreSQL stores do differently."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Executable,
    FromClause,
    Select,
    Table,
    bindparam,
    cast,
    func,
    literal,
    null,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.functions import FunctionElement

from holystone.duroxide.event_types import EVENT_TYPES, TERMINAL
from holystone.duroxide.tables import metadata
from holystone.errors import HolystoneError
from holystone.flavours.changes import Changes, Position
from holystone.flavours.messages import Messages
from holystone.flavours.statements import Outcome, Parameters, Step, Words, failed
from holystone.flavours.target import Target
from holystone.flavours.times import Times

if TYPE_CHECKING:
    from holystone.flavours.structure import Structure

Columns = Mapping[str, frozenset[str]]
"""Table name -> names of its columns."""


_PIECE = 1024 * 1024
"""Characters of a text that are looked at at a time, so that a long one is not held once more."""


def is_utf8(text: str) -> bool:
    """Return whether a database takes the text as it gave it: bytes that are not UTF-8 come as halves of surrogates."""
    try:
        for start in range(0, 0 if text.isascii() else len(text), _PIECE):
            text[start : start + _PIECE].encode()
    except UnicodeEncodeError:
        return False
    return True


def fits_bigint(number: int) -> bool:
    """Return whether a database can hold the number at all: in 64 bits, with a sign."""
    return -(2**63) <= number < 2**63


def is_fit_to_print(text: str) -> bool:
    """Return whether the text holds no control character but line ends."""
    return all(character.isprintable() or character == "\n" for character in text)


@dataclass(frozen=True)
class WithLastEvent:
    """Executions beside their last events: what to select from, and the columns of both.

    The columns of `last` are NULL for an execution without history.
    """

    rows: FromClause
    execution: FromClause
    last: FromClause


@dataclass(frozen=True)
class Held:
    """A row that another session has locked, or a whole table where `key` is None; `by` names the session.

    The values of the key are in the order of the names of their columns.
    """

    table: str
    key: tuple[Any, ...] | None
    by: str


class LacksColumnError(Exception):
    """A store of an older engine has not the column that is asked about; the text is its name."""


class Flavour(ABC):
    """One kind of store, opened at one target.

    Expressions that it returns are SQLAlchemy Core and mean the same on both flavours; values are the
    driver's own, and `to_json` and `from_json` carry them through a plan or a journal without loss.
    """

    name: ClassVar[str]
    ledger: ClassVar[Table]
    """The engine's own migration table."""
    readers_change_indexes: ClassVar[bool] = False
    """Whether whoever follows an index to a row that is gone has the index forget it, and so what had become of it."""
    messages: ClassVar[Messages]
    """What can be told about the text of a message."""
    times: ClassVar[Times]
    """What can be told about times, locks and counts."""
    ledger_birth: ClassVar[str]
    """The column of it that differs from one store to the next, even for the same migrations."""
    messages_carry_expiry: ClassVar[bool]
    """Whether a fetched message is stamped with the lock's expiry as well as with its token."""
    turns_update_instances: ClassVar[bool]
    """Whether each turn sets its instance's updated_at."""
    queue_order: ClassVar[tuple[str, ...]]
    """The columns of orchestrator_queue by which the engine chooses the message whose instance is next."""
    statuses_with_completed_at: ClassVar[frozenset[str]]
    """The statuses whose executions the engine gives a completed_at."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.stored: Columns = {}
        """The columns that the store has, once it is open: an older engine's lacks some."""
        self._words: dict[tuple[Executable, tuple[str, ...]], Words] = {}

    def has_table(self, table: Table) -> bool:
        """Return whether the store has the table."""
        return not self.stored or table.name in self.stored

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
        return column.name in self.stored.get(column.table.name, (column.name,))

    def columns_of(self, table: Table) -> list[ColumnElement[Any]]:
        """Return all columns of a table; NULL by the name of each that the store of an older engine lacks."""
        return [one if self.has(one) else cast(null(), one.type).label(one.name) for one in table.columns]

    @abstractmethod
    def engine(self, *, read_only: bool) -> Engine:
        """Return an engine on the target, without connecting; never creates a database.

        A transaction on a read-only engine is one snapshot of the store and cannot write; one on a
        writing engine holds off other writers where the flavour works that way.
        """

    @abstractmethod
    def turn_engine(self) -> Engine:
        """Return a writing engine for turns, as durable and as patient as the engine itself is.

        It keeps its connections until it is disposed of: making one takes longer than many a turn.
        """

    def together(self, connection: Connection, steps: Sequence[Step]) -> list[Outcome]:
        """Run statements of a turn, one after the other, and return what came of each.

        A flavour may send them all at once, so none may depend on what came of another.
        """
        try:
            return self._run(connection, steps)
        except connection.dialect.loaded_dbapi.Error as error:
            raise failed(connection, error) from error

    def _run(self, connection: Connection, steps: Sequence[Step]) -> list[Outcome]:
        return [words.outcome(words.run(connection, values)) for words, values in self._in_words(connection, steps)]

    def _in_words(self, connection: Connection, steps: Sequence[Step]) -> Iterator[tuple[Words, Parameters]]:
        for statement, parameters in steps:
            names = tuple(parameters if isinstance(parameters, Mapping) else parameters[0])
            words = self._words.get((statement, names))
            if words is None:
                words = self._words[statement, names] = Words(connection, statement, names)
            yield words, parameters

    @property
    @abstractmethod
    def structure(self) -> "Structure":
        """Return what reads, recognises and changes the structure of the store."""

    @abstractmethod
    def share_view(self, connection: Connection) -> str | None:
        """Return what other connections need in order to see the store as this one does, None for nothing."""

    @abstractmethod
    def adopt_view(self, connection: Connection, view: str | None) -> None:
        """Make a connection, whose transaction has just begun, see the store as the one that shared its view."""

    def hold(  # noqa: B027
        self, connection: Connection, tables: Collection[str], patience: float | None, *, alone: bool
    ) -> None:
        """Keep these tables as they are until the transaction ends, which is to begin with this.

        Waits for whoever is changing one: for so many seconds, without end for None. Unless it is `alone`, other
        connections are to hold them as well.
        """

    def hold_beside(self, connection: Connection, tables: Collection[str]) -> bool:
        """Do the same beside a connection that holds them, once its view is adopted, and without waiting.

        Return whether that was possible: not where somebody waits until he may change one.
        """
        return True

    def read_quickly(self, connection: Connection) -> None:  # noqa: B027
        """Have a snapshot's connection do what is quicker for a scan, up to the end of its transaction."""

    def utf8_only(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a context in which text is read more quickly, and a statement fails that comes upon any other."""
        return nullcontext()

    def long_text(self, connection: Connection, statement: Executable) -> Any:
        """Return the one value that a statement selects, which can be as long as a database takes one."""
        return connection.execute(statement).scalar_one()

    @abstractmethod
    def limit_statements(self, connection: Connection, seconds: float) -> None:
        """Make statements on the connection fail when they take longer, until its transaction ends."""

    @abstractmethod
    def interrupt(self, connection: Connection) -> None:
        """Make the statement that another thread runs on the connection fail at once, if there is one."""

    @abstractmethod
    def dialect(self) -> Dialect:
        """Return the dialect in which to write SQL for people to read and paste."""

    @abstractmethod
    def columns(self, connection: Connection) -> Columns:
        """Return the tables of the store's schema, with their columns; empty where there are none."""

    @abstractmethod
    def no_store(self, connection: Connection) -> HolystoneError:
        """Return the error to raise where the target holds no table of the engine."""

    @abstractmethod
    def require_writable(self, connection: Connection) -> None:
        """Raise StoreUnavailableError where it is plain that nobody can write to the store here."""

    @abstractmethod
    def explain(self, error: DBAPIError) -> HolystoneError:
        """Return what a driver's error means to a user, in one sentence without secrets."""

    def is_of_rows(self, error: DBAPIError) -> bool:
        """Return whether it is rows that cannot be read, such as damaged ones: others of the same table may be."""
        return False

    def is_of_lock(self, error: DBAPIError) -> bool:
        """Return whether somebody else holds what the statement wanted; others can still be run after a savepoint."""
        return False

    def is_of_one_statement(self, error: DBAPIError) -> bool:
        """Return whether others can still be run in the same transaction, for it is about a value of this one alone."""
        return False

    def by_index(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a context in which rows are looked up one by one, and no table is read as it lies."""
        return nullcontext()

    def is_refusal(self, error: DBAPIError) -> bool:
        """Return whether the database denied the role what it asked for, and nothing else went wrong."""
        return False

    @abstractmethod
    def with_last_event(self, within: Sequence[ColumnElement[bool]]) -> WithLastEvent:
        """Return the executions, each with the last event of its history, in the quickest way that there is.

        `within` restricts them by conditions on the columns of `tables.executions`.
        """

    @abstractmethod
    def event_says_type(self, event_data: ColumnElement[str], kind: str) -> ColumnElement[bool]:
        """Return whether the event, as the engine writes it, has this type: quick, and never wrongly yes.

        It may say no to an event that others wrote with spaces or in another order; `event_type` tells then.
        """

    @abstractmethod
    def type_begins(self, events: Table, prefix: str) -> ColumnElement[bool]:
        """Return whether the type of a row of history, as the engine writes it, begins so: quick, for scans of all.

        It goes by the column event_type where the engine keeps the type there, so where that is wrong it is too.
        """

    @abstractmethod
    def to_be_grouped(self, rows: Select[Any], order: Sequence[ColumnElement[Any]]) -> FromClause:
        """Return rows for groups of which `lines` are taken: they come in this order, which begins with their group.

        That is how both databases do it, and never surely so. Of one group all columns come in the same order.
        """

    @abstractmethod
    def lines(self, column: ColumnElement[Any]) -> FunctionElement[str]:
        """Return the values of a group of rows as text, one in each line, in the order in which they come."""

    @abstractmethod
    def length(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        """Return the length of a text in bytes."""

    @abstractmethod
    def is_text(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the column holds text, in which a flavour may keep something else."""

    @abstractmethod
    def is_integer(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether the column holds a whole number, in which a flavour may keep something else."""

    @abstractmethod
    def survives(self, event_data: str) -> bool:
        """Return whether the engine survives that it fetches such an event: not where its own statement fails."""

    @abstractmethod
    def may_not_survive(self, texts: str) -> bool:
        """Return whether the engine may not survive one of these events, all of them JSON: quick, never wrongly no."""

    @abstractmethod
    def event_type(self, event_data: ColumnElement[str]) -> ColumnElement[str]:
        """Return the expression for the type inside `event_data`; NULL where none can be read.

        history.event_type is a copy, and on PostgreSQL the literal word `Event`: it decides nothing.
        """

    @abstractmethod
    def event_says(self, event_data: ColumnElement[str], path: str, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the text at `path` (such as `$.output`) in the event is `value`; NULL where it has none.

        It may say no where the answer is yes, never the reverse: databases treat NUL and odd escapes in
        their own ways. So it finds suspects only, and a finding rests on what `event.parse_event` reads.
        """

    @abstractmethod
    def event_readable(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether this version can read the event: JSON, with a type that it knows."""

    @abstractmethod
    def completed_at_well_formed(self, completed_at: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return whether a completed_at that is there has the form that the engine writes."""

    @abstractmethod
    def completed_at(self, ms: int) -> Any:
        """Return `ms` since the epoch as the engine keeps it in executions.completed_at."""

    @abstractmethod
    def created_at(self, ms: int) -> Any:
        """Return `ms` since the epoch as the engine keeps it in created_at, updated_at and started_at."""

    @abstractmethod
    def queue_time(self, ms: int) -> Any:
        """Return `ms` since the epoch as the engine keeps it in a queue's visible_at."""

    @abstractmethod
    def lying_indexes(self, connection: Connection, columns: Columns, instance_ids: Sequence[str]) -> list[str]:
        """Return a sentence for each index that does not show the rows of these instances as its table has them."""

    def now_ms(self, connection: Connection) -> int:
        """Return the time by the database's clock, in ms since the epoch.

        On SQLite that is the clock of the engine's times, for both are on one machine. On PostgreSQL each process of
        the engine sends times of its own clock (but for the locks of turns since migration 25, which never begin before
        the database's time): they are apart from these as the clocks of the machines are.
        """
        return int(connection.execute(select(self.times.clock_ms)).scalar_one())

    @abstractmethod
    def to_ms(self, moment: Any) -> int | None:
        """Return a moment of any column as ms since the epoch, None where there is none or it is in no known form."""

    @abstractmethod
    def is_waiting(self, queue: Table, now_ms: int) -> ColumnElement[bool]:
        """Return whether the engine counts a message of this queue as one that waits."""

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """Return the flavour's own INSERT, which has on_conflict_do_nothing and on_conflict_do_update."""

    @abstractmethod
    def event_type_column(self, kind: str) -> str:
        """Return what the engine writes to history.event_type for an event of this type."""

    @abstractmethod
    def older_than(self, moment: ColumnElement[Any], seconds: int) -> ColumnElement[bool]:
        """Return whether a creation column such as started_at lies more than `seconds` in the past."""

    @abstractmethod
    def matches_glob(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Return whether `text` matches a pattern in which * and ? are wild and all else is itself."""

    def between(self, column: ColumnElement[Any], after: Any, up_to: Any) -> list[ColumnElement[bool]]:
        """Return the conditions that a key lies after one value and up to another; None is no bound."""
        conditions = []
        if after is not None:
            conditions.append(column > literal(after, column.type))
        if up_to is not None:
            conditions.append(column <= literal(up_to, column.type))
        return conditions

    def among(self, column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a key is one of some, of which there may be thousands."""
        return column.in_(values)

    def among_given(self, column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
        """Return the same condition for keys that are given to a statement as the value of a parameter."""
        return column.in_(bindparam(parameter, expanding=True))

    @abstractmethod
    def hold_off_engine(self, connection: Connection, instance_ids: Sequence[str]) -> set[str]:
        """Keep the engine from beginning a turn of these instances until the transaction ends.

        Returns those that another fetch is at work on this moment. A turn that has begun shows as an
        unexpired row of instance_locks, which the caller looks for after this.
        """

    def who_holds(self, connection: Connection, instance_id: str) -> str | None:
        """Return who has this hold of an instance, None where nobody has or where it cannot be told."""
        return None

    @abstractmethod
    def try_hold(self, instance_id: ColumnElement[str]) -> ColumnElement[bool]:
        """Return what to select in order to do as `hold_off_engine` does, with the answer as its value."""

    @abstractmethod
    def held(self, instance_id: ColumnElement[str]) -> ColumnElement[Any] | None:
        """Return what to select in order to wait for others at work on an instance, and to keep them off after.

        They are those who take this very hold, a fetch of the engine's among them, until the transaction ends.
        None where a transaction of turns has shut out all others anyway.
        """

    @abstractmethod
    def lock_rows(self, connection: Connection, keys: Mapping[str, Sequence[Mapping[str, Any]]]) -> Sequence[Held]:
        """Keep others from writing to these rows until the transaction ends; `keys` are by table name.

        Return those that others hold, without waiting for them.
        """

    @abstractmethod
    def sql_literal(self, value: Any) -> ColumnElement[Any]:
        """Return a value in the form of `to_json` as it is written in SQL for people to read and paste.

        Nothing in it can upset a terminal: text with control characters is spelt in hexadecimal.
        """

    @abstractmethod
    def to_json(self, value: Any) -> Any:
        """Return a column's value as JSON that `from_json` turns back into the very same value."""

    @abstractmethod
    def from_json(self, column: str, value: Any) -> Any:
        """Return what to compare with or to write for JSON that `to_json` made: a value or an expression."""

    @abstractmethod
    def is_json_of_value(self, document: Any) -> bool:
        """Return whether JSON that anybody may have written is what `to_json` makes of some value."""

    @abstractmethod
    def position(self, connection: Connection) -> Position:
        """Return where the store stands now, for `changed_since`."""

    @abstractmethod
    def changed_since(self, connection: Connection, position: Position) -> Changes:
        """Return the instances that the engine has written to since the store stood at `position`.

        Rows that somebody edited by hand may be missing among them, and rows that were deleted are.
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

    def type_at_a_glance(self, events: FromClause) -> ColumnElement[str]:
        """Return the type of an event that is very long, read in the way that takes the least memory.

        That may be a copy of the type, of which another check tells where it is wrong.
        """
        return self.event_type(events.c.event_data)

    def is_terminal(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the event ends its execution."""
        return self.event_type(event_data).in_(sorted(TERMINAL))

    def is_known_type(self, event_data: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the event's type is one that this version knows; NULL where it has none."""
        return self.event_type(event_data).in_(sorted(EVENT_TYPES))

    def identity_parts(self, connection: Connection, columns: Columns) -> list[str]:
        """Return what tells this store from others: the moments at which its schema was made.

        They are a store's only facts that neither the engine nor a repair ever changes. A copy of a store
        has the same identity; the guards of each change tell the rest.
        """
        if self.ledger.name in columns:
            birth = self.ledger.c[self.ledger_birth]
            rows = connection.execute(select(self.ledger.c.version, birth).order_by(self.ledger.c.version)).all()
            if rows:
                return [f"{version} {self.to_json(moment)}" for version, moment in rows]
        return [str(self.target), str(self.target.schema)]

    def engine_migration(self, connection: Connection, columns: Columns) -> str | None:
        """Return the newest migration of the engine that the store has, None where it keeps no ledger."""
        if self.ledger.name not in columns:
            return None
        newest = connection.execute(select(func.max(self.ledger.c.version))).scalar_one()
        return None if newest is None else str(newest)

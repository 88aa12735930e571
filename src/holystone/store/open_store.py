"""Opening a store: recognise it, read it as one snapshot, write to it in one transaction."""

import hashlib
import weakref
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from functools import cached_property
from math import inf
from threading import Lock
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from holystone.duroxide.tables import REQUIRED_COLUMNS, metadata
from holystone.errors import (
    HolystoneError,
    InvalidTurnError,
    NotAStoreError,
    OutOfTimeError,
    ReadOnlyError,
    SchemaTooOldError,
    StoreChangedError,
    StoreUnavailableError,
)
from holystone.flavours import Flavour, flavour_of
from holystone.flavours.connector import Columns
from holystone.flavours.target import Target, parse_target
from holystone.pg_durable.tables import SCHEMA as EXTENSIONS_SCHEMA
from holystone.pg_durable.tables import TABLES
from holystone.store.run_time import RunTime

Statement = TypeVar("Statement")

_QUEUED_SECONDS = 60.0
"""After so many seconds SQLite says itself that it is locked."""
_OPENING_SECONDS = 5.0
"""What a store may take to open, however short the run time: nothing can be said of one that is not open."""
_GRACE_SECONDS = 5.0
"""Seconds of a run time's end after which the database itself ends a transaction that nobody else has ended."""
_PREPARED: LRUCache[tuple[Hashable, ...], Any] = LRUCache(2000)
"""What was made for a kind of store, of which a process may open many, by what made it of what."""


class OpenStore:
    """A store of the engine, recognised as one.

    Public facts, read once when it is opened: `columns` (table name -> column names), `engine_migration`
    (the newest of the engine's own migrations, or None) and `identity` (a digest that tells this store
    from others).
    """

    columns: Columns
    engine_migration: str | None
    identity: str
    no_extension: str | None
    """Why pg_durable's own tables are not looked at beside the engine's; None where they are."""
    statement_timeout: float | None = None
    """Seconds after which a statement that reads is given up with StoreUnavailableError; None for never."""
    run_time: RunTime | None = None
    """What bounds all that is read, with OutOfTimeError; None for no bound."""

    def __init__(self, target: Target, *, read_only: bool) -> None:
        self.target = target
        self.read_only = read_only
        self.flavour: Flavour = flavour_of(target)
        self._queue = Lock()

    @classmethod
    def open(
        cls,
        target: str | Target,
        schema: str | None = None,
        *,
        read_only: bool = False,
        run_time: RunTime | None = None,
    ) -> Self:
        """Return the store that `target` names.

        Raises TargetError where nothing is there, NotAStoreError where it is no store of duroxide or only
        half of one, and StoreUnavailableError where it cannot be read. Creates nothing. A `run_time` bounds what is
        read of it, and where it is over within a few seconds, these are left for opening it.

        Never open a SQLite store in a process that has loaded the duroxide package: two copies of SQLite in one
        process drop each other's file locks, and damage the file.
        """
        store = cls(parse_target(target, schema) if isinstance(target, str) else target, read_only=read_only)
        store.run_time = None if run_time is None else run_time.lasting(_OPENING_SECONDS)
        try:
            store._recognise()
        except StoreChangedError:
            store._recognise()  # a writer came just then; it is here now, and is read beside with locks
        store.run_time = run_time
        return store

    def bounded(self, run_time: RunTime | None) -> Self:
        """Return the store for reading within a time, and no longer; this one stays as it is."""
        bounded = copy(self)
        bounded.run_time = run_time
        return bounded

    def require_time(self) -> None:
        """Raise OutOfTimeError where the run time is over."""
        if self.run_time is not None and self.run_time.is_over:
            raise OutOfTimeError(self.run_time.seconds)

    def require_writable(self) -> None:
        """Raise StoreUnavailableError where it is plain that nobody can write here, as on a hot standby.

        Opening a store to write to it does the same.
        """
        with self.unlocked_snapshot() as connection:
            self.flavour.require_writable(connection)

    @contextmanager
    def unlocked_snapshot(self) -> Iterator[Connection]:
        """Yield a connection in one read-only transaction that keeps nobody from changing tables, nor waits for him.

        It is for how tables are made, and for what holystone wrote of itself: on PostgreSQL the rows of a table that
        is rewritten meanwhile seem to be gone.
        """
        self.flavour.begin_reading()
        with self._reading() as connection:
            yield connection
        self.flavour.end_reading()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection in one read-only transaction, in which the store stands still."""
        with self.snapshots(1) as [connection]:
            yield connection

    @contextmanager
    def snapshots(self, number: int, view: str | None = None) -> Iterator[list[Connection]]:
        """Yield connections that read the store side by side, each as `snapshot` does.

        On PostgreSQL they all see the same moment, which is the one of the `view` where there is one, as shared by a
        connection of another process; on SQLite each sees one moment, so that nothing is seen half done, but not the
        same one to the very commit. There are fewer of them where no more can be had, or where more would keep somebody
        waiting who wants to change a table, and wait for him themselves; StoreUnavailableError where that leaves none
        beside the one of the view.
        """
        tables = TABLES.keys() & self.columns.keys()
        self.flavour.begin_reading()
        with ExitStack() as stack:
            connections: list[Connection] = []
            if view is None:
                first = stack.enter_context(self._reading())
                self.flavour.lock_tables_shared(first, tables, self.statement_timeout, alone=number == 1)
                view = self.flavour.export_snapshot(first) if number > 1 else None
                connections.append(first)
            while len(connections) < number:
                try:
                    other = stack.enter_context(self._reading())
                except StoreUnavailableError:
                    if not connections:
                        raise
                    break  # the role, the server or a pooler gives no more than these
                self.flavour.import_snapshot(other, view)
                if not self.flavour.try_lock_tables_shared(other, tables):
                    break
                connections.append(other)
            if not connections:
                raise StoreUnavailableError(
                    f"Somebody waits to change a table of {self.target}.", "Run it again later."
                )
            for connection in connections:
                self.flavour.tune_for_scan(connection)
            yield connections
        self.flavour.end_reading()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translating(self._bounded()) as connection:
            if self.run_time is not None:
                self.flavour.limit_transaction(connection, self._longest)
            if self.statement_timeout is not None:
                self.flavour.limit_statements(connection, min(self.statement_timeout, self._longest))
            try:
                yield connection
            except KeyboardInterrupt:
                connection.invalidate()  # a server that does not answer would not answer to a rollback either
                raise
            # There is nothing to commit, and SQLite refuses to once it has come upon a damaged page.
            try:
                connection.rollback()
            except DBAPIError:  # all was read by then
                connection.invalidate()

    @contextmanager
    def _bounded(self) -> Iterator[Connection]:
        """Yield a connection that has begun to read; all that it does, up to its end, ends with the run time."""
        with self._reader.connect() as connection, self._interrupting(connection), connection.begin():
            yield connection

    def _interrupting(self, connection: Connection) -> AbstractContextManager[None]:
        if self.run_time is None:
            return nullcontext()
        return self.run_time.bounding(lambda: self.flavour.interrupt(connection))

    @property
    def _longest(self) -> float:
        """Seconds that a transaction which reads may take from now on."""
        return inf if self.run_time is None else self.run_time.left + _GRACE_SECONDS

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one writing transaction: committed at the end, rolled back on an error."""
        assert not self.read_only
        with self._translating(self._repairer.begin()) as connection:
            yield connection

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Yield a connection in one writing transaction of the turn protocol, as durable as the engine's own are.

        It may have waited for others until it began, so what time it is has to be asked within it. On SQLite such a one
        may be lost, whole, when the machine loses its power, and not when a process dies.
        SchemaTooOldError where the store lacks what turns need, ReadOnlyError where it was opened to be read only.
        """
        with self._queued(), self._turning(self._translating(self._begun())) as connection:
            yield connection

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """Have the threads of this store write one after the other where the database has them wait asleep.

        SQLite looks again after ever longer naps, whether or not the one who was in the way has gone.
        """
        is_held = self.flavour.writers_wait and self._queue.acquire(timeout=_QUEUED_SECONDS)
        try:
            yield
        finally:
            if is_held:
                self._queue.release()

    @contextmanager
    def outside_transactions(self) -> Iterator[Connection]:
        """Yield a connection of turns on which what is sent at once is a transaction of its own.

        On SQLite each statement is, and one that reads waits for nobody.
        """
        with self._turning(self._translating(self._connected())) as connection:
            yield connection

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._writer.connect() as connection:
            yield connection

    @contextmanager
    def _turning(self, connected: AbstractContextManager[Connection]) -> Iterator[Connection]:
        if self.read_only:
            raise ReadOnlyError(
                f"{self.target} was opened to be read only, so nothing can be written to it.",
                "Open it without read_only: Store.open(TARGET).",
            )
        try:
            with connected as connection:
                try:
                    yield connection
                except Exception:
                    raise
                except BaseException:
                    # Interrupted, perhaps between a statement and its answer: then a rollback would fail in its stead.
                    connection.invalidate()
                    raise
        except OverflowError as error:  # SQLite's driver says nothing else of a number beyond 2^63
            raise self._too_great(error) from error
        except UnicodeEncodeError as error:  # of a token or another name: what is written of events was read before
            raise InvalidTurnError(f"{error.object!r} is not UTF-8, so nothing can have that name.") from error
        except StoreUnavailableError as error:
            cause = error.__cause__
            if isinstance(cause, DBAPIError) and (said := self.flavour.too_great(cause)) is not None:
                raise self._too_great(said) from cause
            raise

    def _too_great(self, said: object) -> InvalidTurnError:
        return InvalidTurnError(f"A number is too great for {self.target}: {said}.")

    def prepared(self, build: Callable[..., Statement], *arguments: Hashable) -> Statement:
        """Return what `build` makes of the store's flavour and the arguments, made once for all stores of a kind.

        A statement takes longer to put together than to run on a small store. It may depend on the columns that the
        store has, and on nothing else of it.
        """
        key = (type(self.flavour), self._shape, build, *arguments)
        try:
            statement: Statement = _PREPARED[key]
        except KeyError:
            statement = _PREPARED[key] = build(self.flavour, *arguments)
        return statement

    @cached_property
    def _shape(self) -> frozenset[tuple[str, frozenset[str]]]:
        return frozenset((table, frozenset(columns)) for table, columns in self.columns.items())

    def close(self) -> None:
        """Close the connections that turns keep open; the next turn opens new ones."""
        if "_writer" in self.__dict__:
            self._writer.dispose()

    @contextmanager
    def _translating(self, connected: AbstractContextManager[Connection]) -> Iterator[Connection]:
        try:
            with connected as connection:
                yield connection
        except DBAPIError as error:
            self.require_time()
            raise self.flavour.translate_error(error) from error

    @cached_property
    def _reader(self) -> Engine:
        return self.flavour.create_engine(read_only=True)

    @cached_property
    def _repairer(self) -> Engine:
        return self.flavour.create_engine(read_only=False)

    @cached_property
    def _writer(self) -> Engine:
        self._require_turn_schema()
        engine = self.flavour.create_turn_engine()
        weakref.finalize(self, engine.dispose)
        return engine

    def _require_turn_schema(self) -> None:
        """Raise SchemaTooOldError where the store lacks a table or a column that turns are written to."""
        if lacking := _lacking(
            {name: set(table.columns.keys()) for name, table in metadata.tables.items()}, self.columns
        ):
            raise SchemaTooOldError(
                f"{self.target} was made by an older engine: it lacks {', '.join(lacking)}, which turns need.",
                self.flavour.structure.how_to_complete,
            )

    def _recognise(self) -> None:
        with self.unlocked_snapshot() as connection:
            located = self.flavour.locate(connection)
            if located.schema != self.target.schema:
                self._move_to(located.schema, connection)
            self.columns = self.flavour.stored = located.columns
            self.no_extension = located.no_extension
            present = REQUIRED_COLUMNS.keys() & self.columns.keys()
            if not present:
                raise self.flavour.no_store(connection)
            if lacking := _lacking(REQUIRED_COLUMNS, self.columns):
                raise _half_a_store(self.target, lacking)
            self.engine_migration = self.flavour.engine_migration(connection, self.columns)
            parts = self.flavour.identity_parts(connection, self.columns)
            if not self.read_only:
                self.flavour.require_writable(connection)
        self.identity = hashlib.sha256("\n".join([self.flavour.name, *parts]).encode()).hexdigest()[:16]

    def _move_to(self, schema: str | None, connection: Connection) -> None:
        """Have the store be in another schema than the target's, for the connection that has found it there too."""
        self.target = replace(self.target, schema=schema, schema_is_named=True)
        self.flavour = flavour_of(self.target)
        del self._reader
        connection.execution_options(schema_translate_map={None: schema})


def _lacking(wanted: Mapping[str, Collection[str]], columns: Columns) -> list[str]:
    """Return what a store should have and this database has not, as `table` or `table.column`, sorted."""
    lacking = [table for table in wanted if table not in columns]
    for table in wanted.keys() & columns.keys():
        lacking += [f"{table}.{column}" for column in set(wanted[table]) - columns[table]]
    return sorted(lacking)


_NAMED = 8
"""Of what a store lacks, so many are named: another program's tables lack nearly all."""


def _half_a_store(target: Target, lacking: list[str]) -> HolystoneError:
    where = f"{target}" if target.schema is None else f"The schema {target.schema!r} of {target}"
    more = f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else ""
    what = f"{where} holds only half of a duroxide store: it lacks {', '.join(lacking[:_NAMED])}{more}."
    if target.schema == EXTENSIONS_SCHEMA:  # an engine may be told anything, but not to make its tables there
        return NotAStoreError(what, "The schema df is for pg_durable's own tables: name that of the engine.")
    return NotAStoreError(
        what, "See whether another program uses these table names, or let the engine open the store to complete it."
    )

"""Opening a store: recognise it, read it as one snapshot, write to it in one transaction."""

import hashlib
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from holystone.clock import now_ms
from holystone.duroxide.tables import CORE, metadata
from holystone.errors import (
    HolystoneError,
    InvalidTurnError,
    NotAStoreError,
    ReadOnlyError,
    StoreChangedError,
    StoreUnavailableError,
)
from holystone.flavours import Flavour, flavour_of
from holystone.flavours.connector import Columns
from holystone.flavours.target import Target, parse_target

if TYPE_CHECKING:
    from holystone.duroxide.event import Event
    from holystone.duroxide.work_item import WorkItem
    from holystone.store.status import ExecutionRow, InstanceStatus
    from holystone.store.turns.ack import Activity
    from holystone.store.turns.fetch import Version
    from holystone.store.turns.lease import ExecutionMetadata, OrchestrationItem, WorkLease
    from holystone.store.turns.records import (
        DeleteInstanceResult,
        ExecutionInfo,
        InstanceFilter,
        InstanceInfo,
        InstanceTree,
        PruneResult,
        QueueDepths,
        SystemMetrics,
    )
    from holystone.store.turns.sessions import SessionFetchConfig
    from holystone.store.turns.tags import TagFilter


Statement = TypeVar("Statement")

_PREPARED: LRUCache[tuple[Hashable, ...], Any] = LRUCache(2000)
"""What was made for a kind of store, of which a process may open many, by what made it of what."""


class Store:
    """A store of the engine, recognised as one.

    Public facts, read once when it is opened: `columns` (table name -> column names), `engine_migration`
    (the newest of the engine's own migrations, or None) and `identity` (a digest that tells this store
    from others).
    """

    columns: Columns
    engine_migration: str | None
    identity: str
    statement_timeout: float | None = None
    """Seconds after which a statement that reads is given up with StoreUnavailableError; None for never."""

    def __init__(self, target: Target, *, read_only: bool) -> None:
        self.target = target
        self.read_only = read_only
        self.flavour: Flavour = flavour_of(target)

    @classmethod
    def open(cls, target: str | Target, schema: str | None = None, *, read_only: bool = False) -> Self:
        """Return the store that `target` names.

        Raises TargetError where nothing is there, NotAStoreError where it is no store of duroxide or only
        half of one, and StoreUnavailableError where it cannot be read. Creates nothing.

        Never open a SQLite store in a process that has loaded the duroxide package: two copies of SQLite in one
        process drop each other's file locks, and damage the file.
        """
        store = cls(parse_target(target, schema) if isinstance(target, str) else target, read_only=read_only)
        try:
            store._recognise()
        except StoreChangedError:
            store._recognise()  # a writer came just then; it is here now, and is read beside with locks
        return store

    def require_writable(self) -> None:
        """Raise StoreUnavailableError where it is plain that nobody can write here, as on a hot standby.

        Opening a store to write to it does the same.
        """
        with self.look() as connection:
            self.flavour.require_writable(connection)

    @contextmanager
    def look(self) -> Iterator[Connection]:
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
        tables = metadata.tables.keys() & self.columns.keys()
        self.flavour.begin_reading()
        with ExitStack() as stack:
            connections: list[Connection] = []
            if view is None:
                first = stack.enter_context(self._reading())
                self.flavour.hold(first, tables, self.statement_timeout, alone=number == 1)
                view = self.flavour.share_view(first) if number > 1 else None
                connections.append(first)
            while len(connections) < number:
                try:
                    other = stack.enter_context(self._reading())
                except StoreUnavailableError:
                    if not connections:
                        raise
                    break  # the role, the server or a pooler gives no more than these
                self.flavour.adopt_view(other, view)
                if not self.flavour.hold_beside(other, tables):
                    break
                connections.append(other)
            if not connections:
                raise StoreUnavailableError(
                    f"Somebody waits to change a table of {self.target}.", "Run it again later."
                )
            for connection in connections:
                self.flavour.read_quickly(connection)
            yield connections
        self.flavour.end_reading()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._transaction(self._reader) as connection:
            if self.statement_timeout is not None:
                self.flavour.limit_statements(connection, self.statement_timeout)
            yield connection
            # There is nothing to commit, and SQLite refuses to once it has come upon a damaged page.
            connection.rollback()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one writing transaction: committed at the end, rolled back on an error."""
        assert not self.read_only
        with self._transaction(self._repairer) as connection:
            yield connection

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Yield a connection in one writing transaction of the turn protocol, as durable as the engine's own are.

        On SQLite such a one may be lost, whole, when the machine loses its power, and not when a process dies.
        SchemaTooOldError where the store lacks what turns need, ReadOnlyError where it was opened to be read only.
        """
        if self.read_only:
            raise ReadOnlyError(
                f"{self.target} was opened to be read only, so nothing can be written to it.",
                "Open it without read_only: Store.open(TARGET).",
            )
        try:
            with self._transaction(self._writer) as connection:
                yield connection
        except OverflowError as error:  # SQLite's driver says nothing else of a number beyond 2^63
            raise InvalidTurnError(
                f"A number is too great for {self.target}: {error}.", "Mend the caller: nothing was written."
            ) from error

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

    # The turn protocol. Imported when it is used: a check from cron has no need of it.

    def fetch_orchestration_item(
        self, lock_timeout_ms: int, supported: "tuple[Version, Version] | None" = None
    ) -> "OrchestrationItem | None":
        """See `turns.fetch.fetch`."""
        from holystone.store.turns import fetch

        return fetch.fetch(self, lock_timeout_ms, supported)

    def ack_orchestration_item(
        self,
        lock_token: str,
        execution_id: int,
        *,
        history_delta: "Sequence[Event]" = (),
        worker_items: "Sequence[WorkItem]" = (),
        orchestrator_items: "Sequence[WorkItem]" = (),
        metadata: "ExecutionMetadata | None" = None,
        cancelled_activities: "Sequence[Activity]" = (),
    ) -> None:
        """See `turns.ack.ack`."""
        from holystone.store.turns import ack

        ack.ack(
            self,
            lock_token,
            execution_id,
            history_delta=history_delta,
            worker_items=worker_items,
            orchestrator_items=orchestrator_items,
            metadata=metadata,
            cancelled_activities=cancelled_activities,
        )

    def abandon_orchestration_item(
        self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False
    ) -> None:
        """See `turns.release.abandon`."""
        from holystone.store.turns import release

        release.abandon(self, lock_token, delay_ms, ignore_attempt)

    def renew_orchestration_item_lock(self, lock_token: str, extend_ms: int) -> None:
        """See `turns.release.renew`."""
        from holystone.store.turns import release

        release.renew(self, lock_token, extend_ms)

    def enqueue_for_orchestrator(self, work_item: "WorkItem", delay_ms: int | None = None) -> None:
        """See `turns.queues.for_orchestrator`."""
        from holystone.store.turns import queues

        with self.turn() as connection:
            steps = queues.for_orchestrator(self.flavour, [work_item], now_ms(), delay_ms)
            self.flavour.together(connection, steps)

    def enqueue_for_worker(self, work_item: "WorkItem") -> None:
        """See `turns.queues.for_worker`."""
        from holystone.store.turns import queues

        with self.turn() as connection:
            self.flavour.together(connection, queues.for_worker(self.flavour, [work_item], now_ms()))

    def fetch_work_item(
        self, lock_timeout_ms: int, *, session: "SessionFetchConfig | None" = None, tags: "TagFilter | None" = None
    ) -> "WorkLease | None":
        """See `turns.work.fetch`; without `session` none of a session, without `tags` those without a tag."""
        from holystone.store.turns import work

        return work.fetch(self, lock_timeout_ms, session, tags)

    def ack_work_item(self, lock_token: str, completion: "WorkItem | None" = None) -> None:
        """See `turns.work.ack`."""
        from holystone.store.turns import work

        work.ack(self, lock_token, completion)

    def abandon_work_item(self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False) -> None:
        """See `turns.work.abandon`."""
        from holystone.store.turns import work

        work.abandon(self, lock_token, delay_ms, ignore_attempt)

    def renew_work_item_lock(self, lock_token: str, extend_ms: int) -> None:
        """See `turns.work.renew`."""
        from holystone.store.turns import work

        work.renew(self, lock_token, extend_ms)

    def renew_session_lock(self, owner_ids: Sequence[str], extend_ms: int, idle_timeout_ms: int) -> int:
        """See `turns.sessions.renew`."""
        from holystone.store.turns import sessions

        return sessions.renew(self, owner_ids, extend_ms, idle_timeout_ms)

    def cleanup_orphaned_sessions(self) -> int:
        """See `turns.sessions.clean_up`."""
        from holystone.store.turns import sessions

        return sessions.clean_up(self)

    def delete_instance(self, instance_id: str, *, force: bool = False) -> "DeleteInstanceResult":
        """See `turns.deletion.delete`."""
        from holystone.store.turns import deletion

        return deletion.delete(self, instance_id, force=force)

    def delete_instances_atomic(self, instance_ids: Sequence[str], *, force: bool = False) -> "DeleteInstanceResult":
        """See `turns.deletion.delete_all`."""
        from holystone.store.turns import deletion

        return deletion.delete_all(self, instance_ids, force=force)

    def delete_instance_bulk(self, filter: "InstanceFilter") -> "DeleteInstanceResult":
        """See `turns.deletion.delete_bulk`."""
        from holystone.store.turns import deletion

        return deletion.delete_bulk(self, filter)

    def prune_executions(
        self, instance_id: str, *, keep_last: int | None = None, completed_before: int | None = None
    ) -> "PruneResult":
        """See `turns.prune.prune`."""
        from holystone.store.turns import prune

        return prune.prune(self, instance_id, keep_last, completed_before)

    def prune_executions_bulk(
        self, filter: "InstanceFilter", *, keep_last: int | None = None, completed_before: int | None = None
    ) -> "PruneResult":
        """See `turns.prune.prune_bulk`."""
        from holystone.store.turns import prune

        return prune.prune_bulk(self, filter, keep_last, completed_before)

    # What the engine's management side tells, by the columns, and under its own names.

    def list_instances(self) -> list[str]:
        """See `turns.management.list_instances`."""
        from holystone.store.turns import management

        return management.list_instances(self)

    def list_instances_by_status(self, status: str) -> list[str]:
        """See `turns.management.list_instances`."""
        from holystone.store.turns import management

        return management.list_instances(self, status)

    def list_execution_ids(self, instance_id: str) -> list[int]:
        """See `turns.management.list_execution_ids`."""
        from holystone.store.turns import management

        return management.list_execution_ids(self, instance_id)

    def latest_execution_id(self, instance_id: str) -> int:
        """See `turns.management.latest_execution_id`."""
        from holystone.store.turns import management

        return management.latest_execution_id(self, instance_id)

    def get_instance_info(self, instance_id: str) -> "InstanceInfo":
        """See `turns.management.instance_info`."""
        from holystone.store.turns import management

        return management.instance_info(self, instance_id)

    def get_execution_info(self, instance_id: str, execution_id: int) -> "ExecutionInfo":
        """See `turns.management.execution_info`."""
        from holystone.store.turns import management

        return management.execution_info(self, instance_id, execution_id)

    def get_system_metrics(self) -> "SystemMetrics":
        """See `turns.management.system_metrics`."""
        from holystone.store.turns import management

        return management.system_metrics(self)

    def get_queue_depths(self) -> "QueueDepths":
        """See `turns.management.queue_depths`."""
        from holystone.store.turns import management

        return management.queue_depths(self)

    def list_children(self, instance_id: str) -> list[str]:
        """See `turns.tree.children`."""
        from holystone.store.turns import tree

        return tree.children(self, instance_id)

    def get_parent_id(self, instance_id: str) -> str | None:
        """See `turns.tree.parent`."""
        from holystone.store.turns import tree

        return tree.parent(self, instance_id)

    def get_instance_tree(self, instance_id: str) -> "InstanceTree":
        """See `turns.tree.instance_tree`."""
        from holystone.store.turns import tree

        return tree.instance_tree(self, instance_id)

    def get_custom_status(self, instance_id: str, last_seen_version: int = 0) -> "tuple[str | None, int] | None":
        """See `status.custom_status`."""
        from holystone.store import status

        return status.custom_status(self, instance_id, last_seen_version)

    def get_kv_value(self, instance_id: str, key: str) -> str | None:
        """See `turns.keyvalue.values`; None where there is no such key."""
        return self.get_kv_all_values(instance_id).get(key)

    def get_kv_all_values(self, instance_id: str) -> dict[str, str]:
        """See `turns.keyvalue.values`."""
        from holystone.store.turns import keyvalue

        return keyvalue.values(self, instance_id)

    def read_histories(self, instance_id: str) -> "dict[int, list[Event]]":
        """See `status.histories_of`."""
        from holystone.store import status

        return status.histories_of(self, instance_id)

    def read_history(self, instance_id: str, execution_id: int | None = None) -> "list[Event]":
        """See `status.history_of`."""
        from holystone.store import status

        return status.history_of(self, instance_id, execution_id)

    def get_status(self, instance_id: str) -> "InstanceStatus":
        """See `status.status_of`."""
        from holystone.store import status

        return status.status_of(self, instance_id)

    def list_executions(
        self,
        *,
        status: str | None = None,
        name: str | None = None,
        older_than_seconds: int | None = None,
        instance_id: str | None = None,
        instances: str | None = None,
        limit: int | None = None,
    ) -> "list[ExecutionRow]":
        """See `status.list_executions`."""
        from holystone.store.status import list_executions

        return list_executions(
            self,
            status=status,
            name=name,
            older_than_seconds=older_than_seconds,
            instance_id=instance_id,
            instances=instances,
            limit=limit,
        )

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise self.flavour.explain(error) from error

    @cached_property
    def _reader(self) -> Engine:
        return self.flavour.engine(read_only=True)

    @cached_property
    def _repairer(self) -> Engine:
        return self.flavour.engine(read_only=False)

    @cached_property
    def _writer(self) -> Engine:
        from holystone.store.turns import schema

        schema.require(self)
        engine = self.flavour.turn_engine()
        weakref.finalize(self, engine.dispose)
        return engine

    def _recognise(self) -> None:
        with self.look() as connection:
            self.columns = self.flavour.stored = self.flavour.columns(connection)
            present = CORE.keys() & self.columns.keys()
            if not present:
                raise self.flavour.no_store(connection)
            if lacking := _lacking(self.columns):
                raise _half_a_store(self.target, lacking)
            self.engine_migration = self.flavour.engine_migration(connection, self.columns)
            parts = self.flavour.identity_parts(connection, self.columns)
            if not self.read_only:
                self.flavour.require_writable(connection)
        self.identity = hashlib.sha256("\n".join([self.flavour.name, *parts]).encode()).hexdigest()[:16]


def _lacking(columns: Columns) -> list[str]:
    """Return what a store must have and this database has not, as `table` or `table.column`."""
    lacking = [table for table in CORE if table not in columns]
    for table in CORE.keys() & columns.keys():
        lacking += [f"{table}.{column}" for column in CORE[table] - columns[table]]
    return sorted(lacking)


def _half_a_store(target: Target, lacking: list[str]) -> HolystoneError:
    return NotAStoreError(
        f"{target} holds only half of a duroxide store: it lacks {', '.join(lacking)}.",
        "See whether another program uses these table names, or let the engine open the store to complete it.",
    )

"""Opening a store: recognise it, read it as one snapshot, write to it in one transaction."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from holystone.clock import now_ms
from holystone.errors import HolystoneError, NotAStoreError, StoreChangedError
from holystone.store.flavours import Flavour, flavour_of
from holystone.store.flavours.base import Columns
from holystone.store.tables import CORE
from holystone.store.target import Target, parse_target

if TYPE_CHECKING:
    from holystone.store.event import Event
    from holystone.store.status import ExecutionRow, InstanceStatus
    from holystone.store.turns.ack import Activity
    from holystone.store.turns.fetch import Version
    from holystone.store.turns.lease import ExecutionMetadata, OrchestrationItem, WorkLease
    from holystone.store.work_item import WorkItem


class Store:
    """A store of the engine, recognised as one.

    Public facts, read once when it is opened: `columns` (table name -> column names), `engine_migration`
    (the newest of the engine's own migrations, or None) and `identity` (a digest that tells this store
    from others).
    """

    columns: Columns
    engine_migration: str | None
    identity: str

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

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection in one read-only transaction, in which the store stands still."""
        with self.snapshots(1) as [connection]:
            yield connection

    @contextmanager
    def snapshots(self, number: int) -> Iterator[list[Connection]]:
        """Yield connections that read the store side by side, each as `snapshot` does.

        On PostgreSQL they all see the same moment; on SQLite each sees one moment, so that nothing is seen half
        done, but not the same one to the very commit.
        """
        self.flavour.begin_reading()
        with ExitStack() as stack:
            first = stack.enter_context(self._transaction(self._reader))
            view = self.flavour.share_view(first) if number > 1 else None
            others = [stack.enter_context(self._transaction(self._reader)) for _ in range(number - 1)]
            for other in others:
                self.flavour.adopt_view(other, view)
            yield [first, *others]
        self.flavour.end_reading()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one writing transaction: committed at the end, rolled back on an error."""
        assert not self.read_only
        with self._transaction(self._writer) as connection:
            yield connection

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
        """See `turns.queues.put_for_orchestrator`."""
        from holystone.store.turns import queues

        with self.transaction() as connection:
            queues.put_for_orchestrator(self.flavour, connection, work_item, now_ms(), delay_ms)

    def enqueue_for_worker(self, work_item: "WorkItem") -> None:
        """See `turns.queues.put_for_worker`."""
        from holystone.store.turns import queues

        with self.transaction() as connection:
            queues.put_for_worker(self.flavour, connection, work_item, now_ms())

    def fetch_work_item(self, lock_timeout_ms: int) -> "WorkLease | None":
        """See `turns.work.fetch`."""
        from holystone.store.turns import work

        return work.fetch(self, lock_timeout_ms)

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
    def _writer(self) -> Engine:
        return self.flavour.engine(read_only=False)

    def _recognise(self) -> None:
        with self.snapshot() as connection:
            self.columns = self.flavour.columns(connection)
            present = CORE.keys() & self.columns.keys()
            if not present:
                raise self.flavour.no_store(connection)
            if lacking := _lacking(self.columns):
                raise _half_a_store(self.target, lacking)
            self.engine_migration = self.flavour.engine_migration(connection, self.columns)
            parts = self.flavour.identity_parts(connection, self.columns)
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

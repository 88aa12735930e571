"""Deleting instances: each root with all its descendants, in one transaction, and nothing that is still at work.

Sources: `delete_instance` and the operations that it is made of, in src/providers/mod.rs and src/providers/sqlite.rs of
microsoft/duroxide, and delete_instances_atomic of microsoft/duroxide-pg.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

from sqlalchemy import Connection, Table, exists, literal, not_, select
from sqlalchemy import delete as delete_from

from holystone.clock import now_ms
from holystone.duroxide.event import Event
from holystone.duroxide.references import child_instance_id
from holystone.duroxide.tables import (
    executions,
    history,
    instance_locks,
    instances,
    kv_delta,
    kv_store,
    orchestrator_queue,
    worker_queue,
)
from holystone.duroxide.work_item import WorkItem
from holystone.errors import DeletionError, RecordError, UnknownInstanceError
from holystone.store.open_store import OpenStore
from holystone.store.turns.candidates import DEFAULT_LIMIT, candidates
from holystone.store.turns.liveness import ENDED, reason_alive
from holystone.store.turns.records import DeleteInstanceResult, InstanceFilter
from holystone.store.turns.tree import descendants, parent_of, unknown_instance_error

_MOST = 10_000
"""How many instances are deleted at once; PostgreSQL takes some 60,000 values with a statement."""


class Deletion(OpenStore):
    """Deleting instances, each with all that comes from it."""

    def delete_instance(self, instance_id: str, *, force: bool = False) -> DeleteInstanceResult:
        """Delete a root with all its descendants.

        UnknownInstanceError where there is no such instance. DeletionError where it has a parent, and, without `force`,
        where it or a descendant is still at work, by its row or by its history, in the middle of a turn, or still to
        start: nothing is deleted then. With `force` the starts of children go from the queue as well, and a turn that
        is being taken cannot be acked any more, nor an activity that is being run.
        """
        with self.turn() as connection:
            parent = parent_of(connection, instance_id)
            if parent is not None:
                raise DeletionError(
                    f"{instance_id!r} cannot be deleted by itself: it is a child of {parent!r}.",
                    "Delete the root that it descends from.",
                )
            result = _delete(self, connection, descendants(connection, instance_id), force=force)
            if not result.instances_deleted:  # somebody was quicker
                raise unknown_instance_error(instance_id)
            return result

    def delete_instances_atomic(self, instance_ids: Sequence[str], *, force: bool = False) -> DeleteInstanceResult:
        """Delete these instances in one transaction; those of them that are not there count as nothing.

        DeletionError where one has a child that is not among them, and, without `force`, where one is still at work;
        and for more than 10,000, which no statement could name.
        """
        if len(instance_ids) > _MOST:
            raise DeletionError(
                f"{len(instance_ids)} instances are too many for one transaction, so none was deleted.",
                f"Delete {_MOST} at a time, or all with delete_instance_bulk and a filter.",
            )
        with self.turn() as connection:
            return _delete(self, connection, instance_ids, force=force)

    def delete_instance_bulk(self, filter: InstanceFilter) -> DeleteInstanceResult:
        """Delete the roots that meet the filter and have ended by their rows, each in a transaction of its own.

        A root that is still at work all the same, or that has a descendant that is, is left out, and the result says
        why; the engine deletes such a one. The filter's limit counts the roots that were deleted.
        """
        limit = DEFAULT_LIMIT if filter.limit is None else filter.limit
        total = DeleteInstanceResult()
        roots = 0
        ended = executions.c.status.in_(ENDED)
        for instance_id in candidates(self, filter, instances.c.parent_instance_id.is_(None), ended):
            if roots >= limit:
                break
            try:
                total = _sum(total, self.delete_instance(instance_id, force=False))
                roots += 1
            except UnknownInstanceError:
                continue  # another one was quicker
            except DeletionError as error:
                total = replace(total, left_out=(*total.left_out, error.message))
        return total


def _sum(one: DeleteInstanceResult, other: DeleteInstanceResult) -> DeleteInstanceResult:
    return DeleteInstanceResult(*(getattr(one, field.name) + getattr(other, field.name) for field in fields(one)))


def _delete(store: OpenStore, connection: Connection, wanted: Sequence[str], *, force: bool) -> DeleteInstanceResult:
    _hold(store, connection, wanted)
    # The engine's own ack writes to these rows first of all: it is over then, or finds that its lock has gone.
    these = select(instances.c.instance_id).where(instances.c.instance_id.in_(wanted)).order_by(instances.c.instance_id)
    ids = list(connection.execute(these.with_for_update()).scalars())
    _require_no_child_left(connection, ids)
    to_start = _children_to_start(store, connection, ids)
    if not force:
        _require_ended(store, connection, ids, to_start)
    _hold(store, connection, to_start)
    everything = [*ids, *to_start]

    def clear(table: Table) -> int:
        return connection.execute(delete_from(table).where(table.c.instance_id.in_(everything))).rowcount

    messages = clear(orchestrator_queue) + clear(worker_queue)
    clear(instance_locks)  # and nothing can be written any more to what goes after it
    events, rows = clear(history), clear(executions)
    for table in (kv_delta, kv_store):
        clear(table)
    return DeleteInstanceResult(clear(instances), rows, events, messages)


def _hold(store: OpenStore, connection: Connection, ids: Sequence[str]) -> None:
    for instance_id in sorted(ids):
        if (held := store.flavour.advisory_lock(literal(instance_id))) is not None:
            connection.execute(select(held))


def _require_no_child_left(connection: Connection, ids: list[str]) -> None:
    left_alone = select(instances.c.instance_id, instances.c.parent_instance_id).where(
        instances.c.parent_instance_id.in_(ids), instances.c.instance_id.not_in(ids)
    )
    child = connection.execute(left_alone.limit(1)).one_or_none()
    if child is not None:
        raise DeletionError(
            f"{child.parent_instance_id!r} cannot be deleted without its child {child.instance_id!r}.",
            "Delete the whole tree: get_instance_tree names all of it.",
        )


def _require_ended(store: OpenStore, connection: Connection, ids: list[str], to_start: list[str]) -> None:
    now = now_ms()
    reasons = [(instance_id, reason_alive(store, connection, instance_id, now)) for instance_id in ids]
    reasons += [
        (instance_id, f"has still to start, as a child of {ids[0]!r} or its descendants") for instance_id in to_start
    ]
    for instance_id, why in reasons:
        if why is not None:
            raise DeletionError(f"{instance_id!r} {why}.", "Let it end or cancel it first, or delete it by force.")


def _children_to_start(store: OpenStore, connection: Connection, ids: list[str]) -> list[str]:
    """Return the children that these instances have scheduled and that have not taken their first turn.

    Started later, such a child would tell a parent that is gone of its end, which halts the engine's dispatcher on
    SQLite.
    """
    scheduled = store.flavour.event_type(history.c.event_data) == "SubOrchestrationScheduled"
    events = select(history.c.instance_id, history.c.event_data).where(history.c.instance_id.in_(ids), scheduled)
    names = {name for row in connection.execute(events) if (name := _child(row.instance_id, row.event_data))}
    begun = exists().where(instances.c.instance_id == orchestrator_queue.c.instance_id)
    waiting = select(orchestrator_queue.c.instance_id, orchestrator_queue.c.work_item).where(
        orchestrator_queue.c.instance_id.in_(names), not_(begun)
    )
    return [row.instance_id for row in connection.execute(waiting) if _parent(row.work_item) in ids]


def _child(parent: str, event_data: str) -> str | None:
    """Return the instance that an event schedules, None where the event cannot be read."""
    try:
        return child_instance_id(parent, Event.from_json(event_data).payload["instance"])
    except RecordError:
        return None


def _parent(work_item: str) -> str | None:
    """Return the parent of the instance that a message starts, None where it starts none or cannot be read."""
    try:
        message = WorkItem.from_json(work_item)
    except RecordError:
        return None
    return message.fields["parent_instance"] if message.kind == "StartOrchestration" else None

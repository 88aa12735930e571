"""Pruning: removing old executions of an instance with their histories, and never one that could still be needed.

Sources: `prune_executions` in src/providers/sqlite.rs of microsoft/duroxide, and the function of that name of
microsoft/duroxide-pg.
"""

from dataclasses import replace
from itertools import islice

from sqlalchemy import Connection, Table, and_, delete, func, select

from holystone.duroxide.tables import executions, history, instances
from holystone.errors import DeletionError, UnknownInstanceError
from holystone.store.open_store import OpenStore
from holystone.store.turns.candidates import DEFAULT_LIMIT, candidates
from holystone.store.turns.liveness import ENDED, ended_by_history
from holystone.store.turns.records import InstanceFilter, PruneResult
from holystone.store.turns.tree import unknown_instance_error


class Pruning(OpenStore):
    """Removing old executions of instances."""

    def prune_executions(
        self, instance_id: str, *, keep_last: int | None = None, completed_before: int | None = None
    ) -> PruneResult:
        """Remove the executions that have ended by their rows, but for the current one, the newest and the last ones.

        `keep_last` is how many of the newest are kept in any case; of the others those are removed that have a
        completed_at before `completed_before`, where it is given. (On PostgreSQL an execution that continued as new has
        none.)

        UnknownInstanceError where there is no such instance. DeletionError names an execution that would go, and has
        not ended by its history: nothing is removed then. The engine goes by the row alone. DeletionError for a
        negative `keep_last`, too.
        """
        _require_number(keep_last)
        with self.turn() as connection:
            numbers = _removable(self, connection, instance_id, keep_last, completed_before)
            alive = set(numbers) - ended_by_history(self, connection, instance_id, numbers)
            if alive:
                raise DeletionError(
                    f"Execution {min(alive)} of {instance_id!r} cannot be pruned: no event of its history ends it.",
                    "Find out which of the two is wrong: holystone check TARGET --instance PATTERN",
                )

            def clear(table: Table) -> int:
                these = and_(table.c.instance_id == instance_id, table.c.execution_id.in_(numbers))
                return connection.execute(delete(table).where(these)).rowcount if numbers else 0

            return PruneResult(1, executions_deleted=clear(executions), events_deleted=clear(history))

    def prune_executions_bulk(
        self, filter: InstanceFilter, *, keep_last: int | None = None, completed_before: int | None = None
    ) -> PruneResult:
        """Prune the instances that meet the filter, running ones as well, each in a transaction of its own.

        An instance that `prune_executions` refuses is left out, and the result says why. The limit of the filter counts
        all instances.
        DeletionError for a negative `keep_last`.
        """
        _require_number(keep_last)
        total = PruneResult()
        limit = DEFAULT_LIMIT if filter.limit is None else filter.limit
        for instance_id in islice(candidates(self, filter), limit):
            try:
                one = self.prune_executions(instance_id, keep_last=keep_last, completed_before=completed_before)
            except UnknownInstanceError:
                continue  # somebody has deleted it just then
            except DeletionError as error:
                total = replace(total, left_out=(*total.left_out, error.message))
                continue
            total = replace(
                total,
                instances_processed=total.instances_processed + 1,
                executions_deleted=total.executions_deleted + one.executions_deleted,
                events_deleted=total.events_deleted + one.events_deleted,
            )
        return total


def _require_number(keep_last: int | None) -> None:
    if keep_last is not None and keep_last < 0:
        raise DeletionError(
            f"Of no instance {keep_last} executions can be kept, so none was pruned.", "Give a keep_last of 0 or more."
        )


def _removable(
    store: OpenStore, connection: Connection, instance_id: str, keep_last: int | None, completed_before: int | None
) -> list[int]:
    """Return the executions that may go by their rows; a turn waits, so that the current one stays the current one."""
    current = connection.execute(
        select(instances.c.current_execution_id).where(instances.c.instance_id == instance_id).with_for_update()
    ).scalar_one_or_none()
    if current is None:
        raise unknown_instance_error(instance_id)
    of_instance = executions.c.instance_id == instance_id
    every = executions.alias("every")
    newest = select(func.max(every.c.execution_id)).where(every.c.instance_id == instance_id).scalar_subquery()
    conditions = [
        of_instance,
        executions.c.status.in_(ENDED),
        executions.c.execution_id != current,
        executions.c.execution_id != newest,
    ]
    if keep_last is not None:
        last = select(every.c.execution_id).where(every.c.instance_id == instance_id)
        last = last.order_by(every.c.execution_id.desc()).limit(keep_last)
        conditions.append(executions.c.execution_id.not_in(last))
    if completed_before is not None:
        conditions.append(executions.c.completed_at < store.flavour.completed_at(completed_before))
    return list(connection.execute(select(executions.c.execution_id).where(*conditions)).scalars())

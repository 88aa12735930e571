"""What the engine's management side tells of instances, executions and queues, by their rows.

Source: `ProviderAdmin` in src/providers/mod.rs of microsoft/duroxide. A row may be wrong; `Histories.get_status` tells
what the history says.
"""

from sqlalchemy import ColumnElement, and_, func, select

from holystone.clock import now_ms
from holystone.duroxide.event_types import COMPLETED, FAILED, RUNNING
from holystone.duroxide.tables import executions, history, instances, orchestrator_queue, worker_queue
from holystone.errors import UnknownInstanceError
from holystone.store.open_store import OpenStore
from holystone.store.turns.fetch import UNKNOWN_VERSION, read_event
from holystone.store.turns.kv import read_values
from holystone.store.turns.records import ExecutionInfo, InstanceInfo, QueueDepths, SystemMetrics, SystemStats
from holystone.store.turns.tree import unknown_instance_error

_NO_STATUS = "Unknown"
_WITH_CURRENT = instances.outerjoin(
    executions,
    and_(
        executions.c.instance_id == instances.c.instance_id,
        executions.c.execution_id == instances.c.current_execution_id,
    ),
)


class Management(OpenStore):
    """What the engine's management side tells, by the columns, and under its own names."""

    def list_instances(self) -> list[str]:
        """Return the ids of all instances, newest first."""
        return self._instances()

    def list_instances_by_status(self, status: str) -> list[str]:
        """Return the ids of the instances whose current execution has a status, by the column, newest first."""
        return self._instances(executions.c.status == status)

    def _instances(self, *conditions: ColumnElement[bool]) -> list[str]:
        wanted = select(instances.c.instance_id).order_by(instances.c.created_at.desc(), instances.c.instance_id)
        if conditions:
            wanted = wanted.select_from(_WITH_CURRENT).where(*conditions)
        with self.snapshot() as connection:
            return list(connection.execute(wanted).scalars())

    def list_execution_ids(self, instance_id: str) -> list[int]:
        """Return the executions of an instance by number; none where there is no such instance."""
        wanted = select(executions.c.execution_id).where(executions.c.instance_id == instance_id)
        with self.snapshot() as connection:
            return list(connection.execute(wanted.order_by(executions.c.execution_id)).scalars())

    def latest_execution_id(self, instance_id: str) -> int:
        """Return the newest execution of an instance; UnknownInstanceError where it has none."""
        numbers = self.list_execution_ids(instance_id)
        if not numbers:
            raise unknown_instance_error(instance_id)
        return numbers[-1]

    def get_instance_info(self, instance_id: str) -> InstanceInfo:
        """Return what the rows say of an instance; UnknownInstanceError where there is none."""
        wanted = select(instances, executions.c.status, executions.c.output).select_from(_WITH_CURRENT)
        with self.snapshot() as connection:
            row = connection.execute(wanted.where(instances.c.instance_id == instance_id)).one_or_none()
        if row is None:
            raise unknown_instance_error(instance_id)
        return InstanceInfo(
            instance_id=row.instance_id,
            orchestration_name=row.orchestration_name,
            orchestration_version=row.orchestration_version or UNKNOWN_VERSION,
            current_execution_id=row.current_execution_id,
            status=row.status or _NO_STATUS,
            output=row.output,
            created_at=self.flavour.to_ms(row.created_at) or 0,
            updated_at=self.flavour.to_ms(row.updated_at) or 0,
            parent_instance_id=row.parent_instance_id,
        )

    def get_execution_info(self, instance_id: str, execution_id: int) -> ExecutionInfo:
        """Return what its row says of an execution; UnknownInstanceError where there is none."""
        this = and_(executions.c.instance_id == instance_id, executions.c.execution_id == execution_id)
        events = select(func.count()).where(
            history.c.instance_id == instance_id, history.c.execution_id == execution_id
        )
        with self.snapshot() as connection:
            row = connection.execute(
                select(executions, events.scalar_subquery().label("events")).where(this)
            ).one_or_none()
        if row is None:
            raise UnknownInstanceError(
                f"There is no execution {execution_id} of {instance_id!r}.",
                "See which there are: holystone executions list TARGET",
            )
        return ExecutionInfo(
            execution_id=row.execution_id,
            status=row.status,
            output=row.output,
            started_at=self.flavour.to_ms(row.started_at) or 0,
            completed_at=self.flavour.to_ms(row.completed_at),
            event_count=row.events,
        )

    def get_instance_stats(self, instance_id: str) -> SystemStats | None:
        """Return how much an instance keeps, None where there is no such instance.

        RecordError where the first event of its current execution cannot be read.
        """
        of_current = and_(
            history.c.instance_id == instances.c.instance_id, history.c.execution_id == instances.c.current_execution_id
        )
        first = select(history.c.event_data).where(of_current, history.c.event_id == 1)
        wanted = (
            select(
                instances.c.current_execution_id,
                func.count(history.c.event_id).label("events"),
                func.coalesce(func.sum(self.flavour.length(history.c.event_data)), 0).label("size"),
                first.correlate(instances).scalar_subquery().label("first"),
            )
            .select_from(instances.outerjoin(history, of_current))
            .where(instances.c.instance_id == instance_id)
            .group_by(instances.c.instance_id, instances.c.current_execution_id)
        )
        with self.snapshot() as connection:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            values = read_values(connection, instance_id).values()
        start = None if row.first is None else read_event(instance_id, row.current_execution_id, 1, row.first)
        return SystemStats(
            history_event_count=row.events,
            history_size_bytes=int(row.size),
            queue_pending_count=len((start and start.payload.get("carry_forward_events")) or ()),
            kv_user_key_count=len(values),
            kv_total_value_bytes=sum(len(value.encode()) for value in values),
        )

    def get_system_metrics(self) -> SystemMetrics:
        """Return how much there is in the store."""
        by_status = select(executions.c.status, func.count()).select_from(_WITH_CURRENT).group_by(executions.c.status)
        with self.snapshot() as connection:
            counts: dict[str | None, int] = dict(connection.execute(by_status).all())
            total_executions, total_events = (
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (executions, history)
            )
        return SystemMetrics(
            total_instances=sum(counts.values()),
            total_executions=total_executions,
            running_instances=counts.get(RUNNING, 0),
            completed_instances=counts.get(COMPLETED, 0),
            failed_instances=counts.get(FAILED, 0),
            total_events=total_events,
        )

    def get_queue_depths(self) -> QueueDepths:
        """Return how many messages wait in each queue."""
        now = now_ms()
        depths = (
            select(func.count()).select_from(queue).where(self.flavour.is_waiting(queue, now)).scalar_subquery()
            for queue in (orchestrator_queue, worker_queue)
        )
        with self.snapshot() as connection:
            return QueueDepths(*connection.execute(select(*depths)).one())

"""What the management operations take and return: the engine's own records, in its own words.

Sources in microsoft/duroxide: src/providers/management.rs. Moments are ms since the epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from holystone.errors import DeletionError


@dataclass(frozen=True)
class InstanceInfo:
    """An instance as its row and the row of its current execution have it.

    `status` is that execution's, and `Unknown` where there is no such execution.
    """

    instance_id: str
    orchestration_name: str
    orchestration_version: str
    current_execution_id: int
    status: str
    output: str | None
    created_at: int
    updated_at: int
    parent_instance_id: str | None


@dataclass(frozen=True)
class ExecutionInfo:
    """An execution as its row has it, and how many events its history has."""

    execution_id: int
    status: str
    output: str | None
    started_at: int
    completed_at: int | None
    event_count: int


@dataclass(frozen=True)
class SystemMetrics:
    """How much there is in a store; an instance counts as what its current execution's row says."""

    total_instances: int
    total_executions: int
    running_instances: int
    completed_instances: int
    failed_instances: int
    total_events: int


@dataclass(frozen=True)
class SystemStats:
    """How much an instance keeps; sizes are in bytes of UTF-8.

    The events are those of the current execution, keys and values those that a client would read now.
    `queue_pending_count` counts the queue messages that the execution before handed on.
    """

    history_event_count: int
    history_size_bytes: int
    queue_pending_count: int
    kv_user_key_count: int
    kv_total_value_bytes: int


@dataclass(frozen=True)
class QueueDepths:
    """How many messages wait in each queue, as the flavour's engine counts them.

    On SQLite those that nobody holds, the delayed ones among them; on PostgreSQL those that could be fetched now.
    """

    orchestrator_queue: int
    worker_queue: int


@dataclass(frozen=True)
class InstanceTree:
    """An instance with all its descendants; `all_ids` begins with `root_id`."""

    root_id: str
    all_ids: tuple[str, ...]


@dataclass(frozen=True)
class InstanceFilter:
    """Which instances a bulk operation takes: those that meet every condition that is given.

    `completed_before` is compared with completed_at of the current execution. At most `limit` instances are taken,
    1000 where it is None, as the engine has it; DeletionError for a negative one.
    """

    instance_ids: Sequence[str] | None = None
    completed_before: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 0:
            raise DeletionError(
                f"A filter cannot take {self.limit} instances at most.", "Give a limit of 0 or more, or none."
            )


@dataclass(frozen=True)
class DeleteInstanceResult:
    """What a deletion removed, descendants included.

    `left_out` says of each instance that a bulk deletion did not dare to take why, in a sentence.
    """

    instances_deleted: int = 0
    executions_deleted: int = 0
    events_deleted: int = 0
    queue_messages_deleted: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class PruneResult:
    """What a prune removed.

    `left_out` says of each execution that a bulk prune did not dare to take why, in a sentence.
    """

    instances_processed: int = 0
    executions_deleted: int = 0
    events_deleted: int = 0
    left_out: tuple[str, ...] = ()

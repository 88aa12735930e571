"""A turn that is acked: what its caller wants to write, and what it is written to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from holystone.duroxide.event import Event
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.duroxide.work_item import WorkItem

Activity = tuple[str, int, int]
"""Instance id, execution id, and the id of the event that scheduled it."""


@dataclass(frozen=True)
class Ack:
    """What a turn is to write, as its caller gave it: see `Turns.ack_orchestration_item`."""

    delta: Sequence[Event] = ()
    worker_items: Sequence[WorkItem] = ()
    orchestrator_items: Sequence[WorkItem] = ()
    metadata: ExecutionMetadata | None = None
    cancelled_activities: Sequence[Activity] = ()


@dataclass(frozen=True)
class Turn:
    """What a turn is written to, as it stands.

    What is of the instance is None where there is no such instance yet, `status` where there is no such execution;
    `has_keys` says whether earlier turns of the execution have changed keys. `end_id` and `newest_id` are the event
    that ends the execution and its last one, None where there is none, or no event to append. `goes_on` says of a turn
    of the execution after the current one whether that has ended by continuing as new, once and in no other way; it is
    None of other turns.
    """

    instance_id: str
    execution_id: int
    orchestration_name: str | None
    orchestration_version: str | None
    current_execution_id: int | None
    custom_status_version: int | None
    status: str | None
    has_keys: bool
    end_id: int | None
    newest_id: int | None
    goes_on: bool | None

    def __str__(self) -> str:
        return f"Execution {self.execution_id} of {self.instance_id!r}"

    @property
    def title(self) -> str:
        """What sentences about the turn begin with."""
        return f"The turn of {self.instance_id!r}, execution {self.execution_id},"

    @property
    def begins_next(self) -> bool:
        """Whether it is a turn of an execution after the current one."""
        return self.current_execution_id is not None and self.execution_id > self.current_execution_id


@dataclass(frozen=True)
class History:
    """The history of a turn's execution before it.

    `end_types` are the types of its terminal events; `events` is None where one cannot be read: the engine takes no
    turn on it then.
    """

    end_types: Collection[str]
    events: Sequence[Event] | None

"""What a fetch hands out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holystone.duroxide.event import Event
from holystone.duroxide.work_item import WorkItem


@dataclass(frozen=True)
class Standing:
    """What an instance stood at as its turn was fetched: its row and its current execution's, history and messages.

    What is of the instance is None where there is no such instance yet. `has_changed_keys` says whether earlier turns
    of the execution have changed keys, and `status` is None where it has no row.
    """

    instance_id: str
    current_execution_id: int | None
    orchestration_name: str | None
    orchestration_version: str | None
    custom_status_version: int | None
    status: str | None
    has_changed_keys: bool
    history: Sequence[Event]
    messages: Sequence[WorkItem]

    def is_of(self, execution_id: int) -> bool:
        """Return whether it is the execution that stood so: the current one, or the first."""
        return execution_id == (self.current_execution_id or 1)


@dataclass(frozen=True)
class OrchestrationItem:
    """A turn to take: an instance, its current history, and the messages that have come for it.

    `kv` is the key-value store as it was when the execution began: key -> (value, last update in ms since the
    epoch). `history_error` says why the history cannot be read; `history` is empty then.
    """

    instance_id: str
    execution_id: int
    orchestration_name: str
    orchestration_version: str
    history: Sequence[Event]
    messages: Sequence[WorkItem]
    lock_token: str
    attempt_count: int
    kv: Mapping[str, tuple[str, int]]
    history_error: str | None = None


@dataclass(frozen=True)
class WorkLease:
    """An activity to run, and how often it has been fetched, this time included."""

    item: WorkItem
    lock_token: str
    attempt_count: int

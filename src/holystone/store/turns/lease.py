"""What a fetch hands out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holystone.duroxide.event import Event
from holystone.duroxide.work_item import WorkItem


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

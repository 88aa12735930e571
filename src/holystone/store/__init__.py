"""A store of the engine: how to open one, the turns that change it, and the histories that it keeps."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holystone.duroxide.event import Event
    from holystone.duroxide.metadata import ExecutionMetadata
    from holystone.duroxide.work_item import WorkItem
    from holystone.store.histories import ExecutionRow, InstanceStatus
    from holystone.store.store import Store
    from holystone.store.turns.lease import OrchestrationItem, WorkLease
    from holystone.store.turns.records import (
        DeleteInstanceResult,
        ExecutionInfo,
        InstanceFilter,
        InstanceInfo,
        InstanceTree,
        PruneResult,
        QueueDepths,
        SystemMetrics,
        SystemStats,
    )
    from holystone.store.turns.sessions import SessionFetchConfig
    from holystone.store.turns.tags import TagFilter

_MODULES = {
    "DeleteInstanceResult": "holystone.store.turns.records",
    "Event": "holystone.duroxide.event",
    "ExecutionInfo": "holystone.store.turns.records",
    "ExecutionMetadata": "holystone.duroxide.metadata",
    "ExecutionRow": "holystone.store.histories",
    "InstanceFilter": "holystone.store.turns.records",
    "InstanceInfo": "holystone.store.turns.records",
    "InstanceStatus": "holystone.store.histories",
    "InstanceTree": "holystone.store.turns.records",
    "OrchestrationItem": "holystone.store.turns.lease",
    "PruneResult": "holystone.store.turns.records",
    "QueueDepths": "holystone.store.turns.records",
    "SessionFetchConfig": "holystone.store.turns.sessions",
    "Store": "holystone.store.store",
    "SystemMetrics": "holystone.store.turns.records",
    "SystemStats": "holystone.store.turns.records",
    "TagFilter": "holystone.store.turns.tags",
    "WorkItem": "holystone.duroxide.work_item",
    "WorkLease": "holystone.store.turns.lease",
}
"""Public name -> the module that it is imported from when it is first asked for: a check needs no turns."""

__all__ = [
    "DeleteInstanceResult",
    "Event",
    "ExecutionInfo",
    "ExecutionMetadata",
    "ExecutionRow",
    "InstanceFilter",
    "InstanceInfo",
    "InstanceStatus",
    "InstanceTree",
    "OrchestrationItem",
    "PruneResult",
    "QueueDepths",
    "SessionFetchConfig",
    "Store",
    "SystemMetrics",
    "SystemStats",
    "TagFilter",
    "WorkItem",
    "WorkLease",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)

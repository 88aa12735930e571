"""What the rows of the model must look like in the tables of each flavour."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from conftest import Flavour
from machine.model import Model, Row

Contents = dict[str, list[tuple[Any, ...]]]

COLUMNS: dict[str, tuple[str, ...]] = {
    "instances": (
        "instance_id",
        "orchestration_name",
        "orchestration_version",
        "current_execution_id",
        "parent_instance_id",
        "custom_status",
        "custom_status_version",
        "created_at",
    ),
    "executions": (
        "instance_id",
        "execution_id",
        "status",
        "output",
        "started_at",
        "completed_at",
        "duroxide_version_major",
        "duroxide_version_minor",
        "duroxide_version_patch",
    ),
    "history": ("instance_id", "execution_id", "event_id", "event_type", "event_data", "created_at"),
    "instance_locks": ("instance_id", "lock_token", "locked_until"),
    "kv_delta": ("instance_id", "key", "value", "last_updated_at_ms"),
    "kv_store": ("instance_id", "key", "value", "last_updated_at_ms"),
    "orchestrator_queue": ("instance_id", "work_item", "visible_at", "lock_token", "attempt_count"),
    "worker_queue": (
        "instance_id",
        "execution_id",
        "activity_id",
        "work_item",
        "visible_at",
        "lock_token",
        "locked_until",
        "attempt_count",
    ),
}
"""Table -> the columns of it that are compared, all that the turn protocol writes."""


def expected(model: Model, flavour: Flavour) -> Contents:
    """Return what a store of this flavour must hold: table -> rows, the queues' in their order."""
    wanted: dict[str, list[Row]] = {
        "instances": [{"instance_id": one, **row} for one, row in model.instances.items()],
        "executions": [_execution(one, number, row, flavour) for (one, number), row in model.executions.items()],
        "history": [_event(row, flavour) for row in model.history.values()],
        "instance_locks": [{"instance_id": one, **row} for one, row in model.instance_locks.items()],
        "kv_delta": [{"instance_id": one, "key": key, **row} for (one, key), row in model.kv_delta.items()],
        "kv_store": [{"instance_id": one, "key": key, **row} for (one, key), row in model.kv_store.items()],
        "orchestrator_queue": [_message(row, flavour) for row in model.orchestrator_queue],
        "worker_queue": [_message(row, flavour) for row in model.worker_queue],
    }
    for row in wanted["instances"]:
        row["created_at"] = _moment(row["created_at"], flavour)
    return in_order({table: [tuple(row[name] for name in COLUMNS[table]) for row in wanted[table]] for table in wanted})


def in_order(contents: Contents) -> Contents:
    """Return the contents with all rows sorted but those of the queues, whose order counts."""
    return {table: rows if table.endswith("_queue") else sorted(rows, key=repr) for table, rows in contents.items()}


def _execution(instance_id: str, execution_id: int, row: Row, flavour: Flavour) -> Row:
    ended = row["completed_at"]
    if flavour == "postgresql" and ended is not None:
        # By the engine's own design no time is kept there of an execution that continued as new.
        ended = None if row["status"] == "ContinuedAsNew" else _instant(ended)
    major, minor, patch = map(int, row["engine"].split("."))
    return {
        **row,
        "instance_id": instance_id,
        "execution_id": execution_id,
        "started_at": _moment(row["started_at"], flavour),
        "completed_at": ended,
        "duroxide_version_major": major,
        "duroxide_version_minor": minor,
        "duroxide_version_patch": patch,
    }


def _event(row: Row, flavour: Flavour) -> Row:
    event = row["event"]
    return {
        "instance_id": event.instance_id,
        "execution_id": event.execution_id,
        "event_id": event.event_id,
        "event_type": event.type if flavour == "sqlite" else "Event",
        "event_data": event.to_json(),
        "created_at": _moment(row["created_at"], flavour),
    }


def _message(row: Row, flavour: Flavour) -> Row:
    item = row["work_item"]
    return {
        **row,
        "instance_id": item.instance_id,
        "execution_id": item.fields.get("execution_id"),
        "activity_id": item.fields.get("id"),
        "work_item": item.to_json() if flavour == "sqlite" else json.loads(item.to_json()),
        "visible_at": row["visible_at"] if flavour == "sqlite" else _instant(row["visible_at"]),
    }


def _moment(ms: int, flavour: Flavour) -> Any:
    return _instant(ms).strftime("%Y-%m-%d %H:%M:%S") if flavour == "sqlite" else _instant(ms)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)

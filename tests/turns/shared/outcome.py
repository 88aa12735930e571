"""What orchestrations leave in a store, less what is chance in it: the same, whoever takes the turns.

Chance are the moments at which something happened, and which of several things under way ended first: two children
that were started together come back in either order, and the engine writes down the one that it met.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from conftest import EngineStore

Outcome = dict[str, dict[str, list[Any]]]
NOT_COMPARED = {"timestamp_ms", "fire_at_ms", "last_updated_at_ms", "duroxide_version"}
COLUMNS = {
    "executions": "execution_id, status, output",
    "history": "execution_id, event_id, event_data",
    "instances": "orchestration_name, orchestration_version, current_execution_id, parent_instance_id, "
    "custom_status, custom_status_version",
    "kv_delta": "key, value",
    "kv_store": "key, value",
    "orchestrator_queue": "work_item",
    "worker_queue": "work_item",
    "instance_locks": "lock_token",
}


def outcome(made: EngineStore) -> Outcome:
    """Return the rows of each instance: instance id -> table -> rows."""
    found: Outcome = {}
    for table, columns in COLUMNS.items():
        order = "1, 2, 3" if table == "history" else "1, 2"
        for instance_id, *row in made.execute(f"SELECT instance_id, {columns} FROM {table} ORDER BY {order}"):
            if table in ("history", "orchestrator_queue", "worker_queue"):
                row[-1] = _timeless(json.loads(row[-1]))
            found.setdefault(instance_id, {}).setdefault(table, []).append(row)
    for tables in found.values():
        if "history" in tables:
            tables["history"] = _as_scheduled(tables["history"])
    return found


def _as_scheduled(history: list[Any]) -> list[Any]:
    """Return a history in which completions without another event between them come in the order of their causes."""
    ordered: list[Any] = []
    for (execution_id, completes), run in groupby(history, key=lambda row: (row[0], _source(row) is not None)):
        rows = list(run)
        causes = sorted(rows, key=_source) if completes else rows
        for (_, event_id, _), (_, _, event) in zip(rows, causes, strict=True):
            ordered.append([execution_id, event_id, {**event, "event_id": event_id}])
    return ordered


def _source(row: Any) -> Any:
    return row[-1].get("source_event_id")


def _timeless(record: Any) -> Any:
    """Return an event or a message without its moments, and without the version of the engine that wrote it."""
    if not isinstance(record, dict):
        return record
    return {name: _timeless(value) for name, value in record.items() if name not in NOT_COMPARED}

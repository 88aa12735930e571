"""Rows of pg_durable's beside the engine's, as its worker writes both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from cases.objects import execute
from conftest import SCHEMA
from holystone.demo.scribe import BEGUN_MS, Payload, Scribe, activity_completed, completed, scheduled, started
from holystone.pg_durable import tables as df
from holystone.pg_durable.activities import ORCHESTRATION

ROOT, LEFT, RIGHT = "00000001", "00000002", "00000003"
"""The nodes of every instance: THEN, and two of SQL."""
RESULT = '{"rows":[],"row_count":0}'
LONG_AGO = datetime.fromtimestamp(BEGUN_MS / 1000, UTC)


def install(scribe: Scribe) -> None:
    """Make pg_durable's tables, and the function that says where its engine is."""
    execute(scribe, "CREATE SCHEMA df")
    df.metadata.create_all(scribe.connection, checkfirst=False)
    execute(scribe, f"CREATE FUNCTION df.duroxide_schema() RETURNS text LANGUAGE sql AS $$ SELECT '{SCHEMA}'::text $$")


def owner(scribe: Scribe) -> str:
    """The role whose the instances are."""
    return str(scribe.connection.execute(select(func.quote_ident(func.current_user()))).scalar_one())


def begun(scribe: Scribe, id: str) -> list[Payload]:
    """The events of an instance up to where its first node has begun: the last of them is the seventh."""
    nodes = [node | {"submitted_by": owner(scribe)} for node in _graph(id)]
    graph = {"instance_id": id, "root_node_id": ROOT, "nodes": {node["id"]: node for node in nodes}}
    return [
        started(ORCHESTRATION, json.dumps({"instance_id": id, "label": "order", "vars": {}, "loop_iteration": 0})),
        scheduled("pg_durable::activity::load-function-graph", id),
        activity_completed(json.dumps(graph), 2),
        *writes_status(id, "running", 4),
        *writes_node(id, LEFT, "running", 6),
    ]


def ended(scribe: Scribe, id: str, end: Payload | None = None, status: str = "completed") -> list[Payload]:
    """The events of an instance with its end, without that for None of a worker that is down."""
    writes = writes_node(id, LEFT, "completed", 8, RESULT)
    return [*begun(scribe, id), *writes, *writes_status(id, status, 10), end or completed(RESULT)]


def writes_status(id: str, status: str, event_id: int) -> list[Payload]:
    """The two events of the worker's write of an instance's status, the first of which has this number."""
    given = json.dumps({"instance_id": id, "status": status})
    done = activity_completed(f"Status updated to {status}", event_id)
    return [scheduled("pg_durable::activity::update-instance-status", given), done]


def writes_node(id: str, node: str, status: str, event_id: int, result: str | None = None) -> list[Payload]:
    """The same of a node's status and result."""
    given = {"node_id": node, "instance_id": id, "status": status, "execution_id": f"{id}::1"}
    if result is not None:
        given["result"] = result
    done = activity_completed("Node status updated", event_id)
    return [scheduled("pg_durable::activity::update-node-status", json.dumps(given)), done]


def rows(scribe: Scribe, id: str, status: str | None, *, node: str = "running", **values: Any) -> None:
    """The rows of pg_durable's of an instance; `node` is the status of the node that has begun."""
    times = {"created_at": LONG_AGO, "updated_at": LONG_AGO}
    done = {"completed_at": LONG_AGO} if status == "completed" else {}
    of_row = {"id": id, "label": "order", "root_node": ROOT, "status": status, "submitted_by": owner(scribe)}
    scribe.add(df.instances, **of_row | times | done | values)
    for one in _graph(id):
        has_begun = one["id"] == LEFT and node != "pending"
        state: dict[str, Any] = {"status": node if has_begun else "pending", "submitted_by": owner(scribe)}
        if has_begun:
            state["status_details"] = json.dumps({"execution_id": f"{id}::1"})
        if has_begun and node == "completed":
            state["result"] = RESULT
        scribe.add(df.nodes, **{"instance_id": id, **one} | state | times)


def instance(scribe: Scribe, id: str, status: str | None, events: Sequence[Payload], **values: Any) -> None:
    """An instance of the engine and pg_durable's rows of it."""
    scribe.execution(id, *events)
    rows(scribe, id, status, **values)


def _graph(id: str) -> list[dict[str, Any]]:
    none = {"query": None, "result_name": None, "left_node": None, "right_node": None}
    return [
        none | {"id": ROOT, "node_type": "THEN", "left_node": LEFT, "right_node": RIGHT},
        none | {"id": LEFT, "node_type": "SQL", "query": "SELECT 1"},
        none | {"id": RIGHT, "node_type": "SQL", "query": "SELECT 2"},
    ]

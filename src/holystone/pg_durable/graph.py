"""The graph of an instance: what `df.start` makes rows of, and the first activity reads.

Sources in microsoft/pg_durable: `FunctionGraph` and `FunctionNode` in src/types.rs.
"""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Node(Struct, frozen=True):
    """One node as the graph has it; `submitted_by` is the name of a role."""

    id: str
    node_type: str
    query: str | None
    result_name: str | None
    left_node: str | None
    right_node: str | None
    submitted_by: str
    database: str | None


class Graph(Struct, frozen=True):
    """The nodes by their ids, and which one is the root."""

    root_node: str
    nodes: Mapping[str, Node]

    @property
    def submitted_by(self) -> str:
        """The role whose instance it is; all nodes are of one."""
        return self.nodes[self.root_node].submitted_by

    @property
    def database(self) -> str | None:
        """The database that its SQL runs in, None for that of the extension."""
        return self.nodes[self.root_node].database


_TEXTS = ("id", "node_type", "submitted_by")
_OPTIONAL = ("query", "result_name", "left_node", "right_node", "database")


def read_graph(text: Any) -> Graph | None:
    """Return the graph that a JSON text holds; None where it holds none that is whole."""
    try:
        document = json.loads(text)
        nodes = {id: _node(node) for id, node in document["nodes"].items()}
        root = document["root_node_id"]
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    return Graph(root, nodes) if isinstance(root, str) and root in nodes else None


def _node(document: Mapping[str, Any]) -> Node:
    values = {name: document[name] for name in _TEXTS} | {name: document.get(name) for name in _OPTIONAL}
    if not all(isinstance(value, str) or (value is None and name in _OPTIONAL) for name, value in values.items()):
        raise ValueError
    return Node(**values)


def children(node_type: str, query: str | None, left: str | None, right: str | None) -> list[str]:
    """Return the ids of the nodes that a node names: its sides, its condition, and further branches of a JOIN."""
    named: list[Any] = [left, right]
    if node_type in ("IF", "LOOP", "JOIN") and query is not None:
        try:
            settings = json.loads(query)
        except (ValueError, RecursionError):
            settings = None
        if isinstance(settings, dict):
            extra = settings.get("extra_nodes")
            named += [settings.get("condition_node"), *(extra if isinstance(extra, list) else [])]
    return [one for one in named if isinstance(one, str)]

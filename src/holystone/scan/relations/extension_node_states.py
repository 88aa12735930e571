"""Facts of what pg_durable's nodes say of their state: the row, and what the writes in the history have left in it."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, select

from holystone.flavours import Flavour
from holystone.pg_durable import tables as df
from holystone.pg_durable.activities import NodeState, node_states
from holystone.scan.compared import Compared
from holystone.scan.reader import Reader
from holystone.scan.relation import Key
from holystone.scan.relations.extension import OfExtension, tree_of


class ExtensionNodeStateSource:
    """The rows of pg_durable's nodes."""

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        node = df.nodes.c
        columns = [node[name] for name in ("instance_id", "id", "status", "result", "updated_at")]
        self._columns = [*columns, node.status_details] if flavour.has(node.status_details) else columns
        self._row = select(*self._columns).where(*within).subquery("node")
        self.key = (self._row.c.instance_id, self._row.c.id)

    @property
    def rows(self) -> FromClause:
        return self._row

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self._row.c)


class ExtensionNodeStateFacts(Struct, frozen=True):
    """The state of one node; `state` is what the history says, None where it does not tell for certain.

    `result` and `status_details` are JSON, as PostgreSQL prints it; `has_details` is whether there is such a column.
    """

    flavour: Flavour
    row: Mapping[str, Any]
    state: NodeState | None
    has_details: bool

    @property
    def key(self) -> Key:
        return {"instance_id": self.row["instance_id"], "id": self.row["id"]}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"written_ms": None if self.state is None else self.state.written_ms}

    @property
    def status(self) -> Compared[str | None]:
        return self._compared("status", None if self.state is None else self.state.status)

    @property
    def result(self) -> Compared[str | None]:
        """The result as it stands where it is the same value, however it is written."""
        right = None if self.state is None else self.state.result
        stored = self.row["result"]
        if same_json(None if stored is None else _value(stored), right):
            return self._compared("result", stored)
        return self._compared("result", None if right is None else json.dumps(right, ensure_ascii=False))

    @property
    def status_details(self) -> Compared[str | None]:
        """Which execution has written last."""
        stored = self.row.get("status_details")
        by = (
            None if self.state is None or self.state.execution_id is None else {"execution_id": self.state.execution_id}
        )
        if not self.has_details or same_json(None if stored is None else _value(stored), by):
            return self._compared("status_details", stored)
        return self._compared("status_details", None if by is None else json.dumps(by))

    @property
    def updated_at(self) -> Compared[Any]:
        """When that was, which is told where a write is in the history."""
        ms = None if self.state is None else self.state.written_ms
        expected = None if ms is None else self.flavour.completed_at(ms)
        return Compared("updated_at", self.row["updated_at"], expected, decided=expected is not None)

    def _compared(self, name: str, expected: Any) -> Compared[Any]:
        return Compared(name, self.row.get(name), expected, decided=self.state is not None)


def _value(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def same_json(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: numbers by what they are worth, as far as the worker keeps them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or not _are_numbers(one, other):
        return type(one) is type(other) and bool(one == other)
    return float(one) == float(other)


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float | Decimal) for value in values)


class ExtensionNodeStates(OfExtension[ExtensionNodeStateSource, ExtensionNodeStateFacts]):
    name = "pg_durable_node_states"
    table = df.nodes
    rows_are_of_table = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExtensionNodeStateSource:
        return ExtensionNodeStateSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ExtensionNodeStateFacts:
        return ExtensionNodeStateFacts(
            flavour=reader.flavour,
            row=dict(row._mapping),
            state=_state(reader, row.instance_id, row.id),
            has_details=reader.flavour.has(df.nodes.c.status_details),
        )


def _state(reader: Reader, instance_id: str, node_id: str) -> NodeState | None:
    """Return how a node should be; None where a write is under way, or may have been in what was pruned."""

    def read() -> tuple[Mapping[str, NodeState], bool]:
        tree = tree_of(reader, instance_id)
        return node_states(tree.histories, instance_id), tree.is_whole

    states, is_whole = reader.once(("pg_durable.nodes", instance_id), read)
    state = states.get(node_id)
    if state is None:
        return NodeState() if is_whole else None
    return None if state.in_doubt or state.written_ms is None else state


EXTENSION_NODE_STATES = ExtensionNodeStates()

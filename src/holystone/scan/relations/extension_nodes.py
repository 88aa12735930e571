"""Facts of pg_durable's nodes: the row, and whether all that it names is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, all_, and_, case, cast, false, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from holystone.flavours import Flavour
from holystone.pg_durable import tables as df
from holystone.pg_durable.graph import children
from holystone.scan.compared import Compared, presence
from holystone.scan.reader import Reader
from holystone.scan.relation import Key
from holystone.scan.relations.extension import OfExtension

_CONDITION = '"condition_node"\\s*:\\s*"([^"]*)"'
_FURTHER = "extra_nodes"


class ExtensionNodeSource:
    """The rows of pg_durable's nodes, each with the ids of all nodes of its instance, and with the instance's row."""

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        node = df.nodes.c
        self._row = (
            select(*(node[name] for name in ("instance_id", "id", "node_type", "query", "left_node", "right_node")))
            .where(*within)
            .subquery("node")
        )
        ids = func.array_agg(cast(node.id, Text), type_=ARRAY(Text)).label("ids")
        self._graph = select(node.instance_id, ids).where(*within).group_by(node.instance_id).subquery("graph")
        self._instance = df.instances.alias("instance")
        self.key = (self._row.c.instance_id, self._row.c.id)

    @property
    def rows(self) -> FromClause:
        row = self._row.join(self._graph, self._graph.c.instance_id == self._row.c.instance_id)
        return row.outerjoin(self._instance, self._instance.c.id == self._row.c.instance_id)

    @cached_property
    def may_be_broken(self) -> ColumnElement[bool]:
        """Its instance is gone, or a node that it names may be."""
        row, ids = self._row.c, self._graph.c.ids
        condition = case(
            (row.node_type.in_(("IF", "LOOP")), func.substring(row.query, _CONDITION)),
            (and_(row.node_type == "JOIN", func.strpos(row.query, _FURTHER) > 0), ""),
        )
        named = (cast(row.left_node, Text), cast(row.right_node, Text), condition)
        return or_(self._instance.c.id.is_(None), *(func.coalesce(one != all_(ids), false()) for one in named))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [*self._row.c, self._graph.c.ids, self._instance.c.id.is_not(None).label("instance_exists")]


@dataclass(frozen=True)
class ExtensionNodeFacts:
    """One node, and the ids that it names of which there is no node, sorted."""

    instance_id: str
    id: str
    instance_exists: bool
    missing: Sequence[str]

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "id": self.id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {}

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", self.instance_exists)

    @property
    def missing_nodes(self) -> Compared[list[str]]:
        """The nodes that it names and that are not there."""
        return Compared("missing_nodes", list(self.missing), [])


class ExtensionNodes(OfExtension[ExtensionNodeSource, ExtensionNodeFacts]):
    name = "pg_durable_nodes"
    table = df.nodes
    rows_are_of_table = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExtensionNodeSource:
        return ExtensionNodeSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ExtensionNodeFacts:
        named = children(row.node_type, row.query, row.left_node, row.right_node)
        return ExtensionNodeFacts(row.instance_id, row.id, row.instance_exists, sorted({*named} - {*row.ids}))


EXTENSION_NODES = ExtensionNodes()

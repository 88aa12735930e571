"""Facts of the graphs of pg_durable's instances: whether all that belongs to one is there."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, FromClause, Integer, Text, and_, cast, func, not_, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from holystone.flavours import Flavour
from holystone.pg_durable import tables as df
from holystone.pg_durable.graph import children
from holystone.scan.compared import Compared, presence
from holystone.scan.pushdown import rebind
from holystone.scan.reader import Reader
from holystone.scan.relation import Key
from holystone.scan.relations.extension import OfExtension
from holystone.scan.row_facts import RowFacts

_CONDITION = '"condition_node":"'
_LENGTH = 8
"""Characters of the id of a node."""
_FURTHER = '"extra_nodes"\\s*:\\s*\\[([^]]*)\\]'


class ExtensionGraphSource:
    """The instances, each with what its nodes come to when each is counted, and taken away where another names it.

    Each node but the root is named once, so that the hash of the root is left of a whole graph, and something else of
    one that is not. To look up what each node names takes many times as long as to hash it.
    """

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        node = df.nodes.c
        named = [func.sum(_hash(node.left_node)), func.sum(_hash(node.right_node)), _conditions(node), _further(node)]
        # A sum of each: to add them up within a row takes half as long again, for 32 bits are too few there.
        left = func.sum(_hash(node.id)) - sum(cast(func.coalesce(one, 0), BigInteger) for one in named)
        graph = (
            select(node.instance_id, left.label("left"))
            .where(*rebind(node.instance_id, df.instances.c.id, within))
            .group_by(node.instance_id)
            .subquery("graph")
        )
        row = select(df.instances.c.id, df.instances.c.root_node).where(*within).subquery("instance")
        self._graph, self._row = graph.c, row.c
        self.rows: FromClause = row.outerjoin(graph, graph.c.instance_id == row.c.id, full=True)
        self.key = (func.coalesce(self._row.id, self._graph.instance_id),)

    @cached_property
    def may_be_broken(self) -> ColumnElement[bool]:
        """The instance is gone, or its graph is not all that its nodes name."""
        return not_(func.coalesce(self._graph.left == _hash(self._row.root_node), False))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [self.key[0].label("id"), self._row.root_node, self._row.id.is_not(None).label("instance_exists")]


def _hash(id: ColumnElement[str]) -> ColumnElement[int]:
    return func.hashtext(cast(id, Text), type_=Integer)


def _conditions(node: ReadOnlyColumnCollection[str, Column[Any]]) -> ColumnElement[int]:
    """Return the sum over the conditions that the settings of nodes name."""
    # A pattern would take ten times as long. It is written so, and otherwise the facts will tell.
    condition = func.substr(node.query, func.strpos(node.query, _CONDITION) + len(_CONDITION), _LENGTH)
    return func.sum(_hash(condition)).filter(_has_settings(node), node.node_type.in_(("IF", "LOOP")))


def _further(node: ReadOnlyColumnCollection[str, Column[Any]]) -> ColumnElement[int]:
    """Return the sum over the further branches that the settings of nodes name."""
    listed = func.regexp_replace(func.substring(node.query, _FURTHER), '["\\s]', "", "g")
    further = func.unnest(func.string_to_array(listed, ",")).column_valued("further")
    total = select(func.sum(_hash(further))).scalar_subquery()
    return func.sum(total).filter(_has_settings(node), node.node_type == "JOIN")


def _has_settings(node: ReadOnlyColumnCollection[str, Column[Any]]) -> ColumnElement[bool]:
    """Return whether a node may name more than its sides: SQL has none, and THEN no settings; cheaper than the type."""
    return and_(node.left_node.is_not(None), node.query.is_not(None))


class ExtensionGraphFacts(RowFacts, frozen=True):
    """One graph: whether the row of its instance is there, and the ids that it names without a node, sorted."""

    id: str
    instance_exists: bool
    missing: Sequence[str]

    @property
    def key(self) -> Key:
        return {"id": self.id}

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", self.instance_exists)

    @property
    def missing_nodes(self) -> Compared[list[str]]:
        """The nodes that the instance or another node names, and that are not there."""
        return Compared("missing_nodes", list(self.missing), [])


class ExtensionGraphs(OfExtension[ExtensionGraphSource, ExtensionGraphFacts]):
    name = "pg_durable_graphs"
    table = df.instances
    instance_name = "id"
    counted = False
    hashes = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExtensionGraphSource:
        return ExtensionGraphSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ExtensionGraphFacts:
        columns = ("id", "node_type", "query", "left_node", "right_node")
        of_graph = select(*(df.nodes.c[name] for name in columns)).where(df.nodes.c.instance_id == row.id)
        ids: set[str] = set()
        named = set() if row.root_node is None else {row.root_node}
        for id, *node in reader.connection.execute(of_graph):
            ids.add(id)
            named.update(children(*node))
        return ExtensionGraphFacts(row.id, row.instance_exists, sorted(named - ids))


EXTENSION_GRAPHS = ExtensionGraphs()

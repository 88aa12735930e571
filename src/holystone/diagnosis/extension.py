"""What pg_durable has of an instance: its own row and the nodes of its graph."""

from sqlalchemy import func, select

from holystone.diagnosis.model import Node, PgDurable
from holystone.pg_durable import tables as df
from holystone.scan.reader import Reader

_MOST = 100
_QUERY = 200
"""Characters of a node's query that are shown."""


def of_instance(reader: Reader, instance_id: str) -> PgDurable | None:
    """Return what pg_durable has of an instance, None where it has nothing, or is not there; ids are its own ones.

    A child of the engine's is of no row of its own there: its root has one.
    """
    if reader.store.no_extension is not None:
        return None
    root = instance_id.partition("::")[0]
    row = reader.connection.execute(select(df.instances).where(df.instances.c.id == root)).first()
    if row is None:
        return None
    node = df.nodes.c
    query = func.left(node.query, _QUERY).label("query")
    nodes = select(node.id, node.node_type, node.status, node.result_name, query)
    found = reader.connection.execute(nodes.where(node.instance_id == root).order_by(node.id).limit(_MOST))
    return PgDurable(
        instance_id=row.id,
        label=row.label,
        status=row.status,
        root_node=row.root_node,
        submitted_by=row.submitted_by,
        nodes=[
            Node(id=one.id, type=one.node_type, status=one.status, result_name=one.result_name, query=one.query)
            for one in found
        ],
    )

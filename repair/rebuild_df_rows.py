import json
from typing import Any

from holystone.mend.repair import Insert, Repair, Safety, Step
from holystone.pg_durable import tables as df
from holystone.pg_durable.activities import NodeState
from holystone.pg_durable.graph import Graph, Node
from holystone.scan.evidence import Evidence
from holystone.scan.relations.extension_roots import ExtensionRootFacts, Origins, quoted


def _can_be_rebuilt(facts: ExtensionRootFacts) -> bool:
    root, origins = facts.root, facts.origins
    if root is None or root.progress.graph is None or origins is None:
        return False
    return {node.submitted_by for node in root.progress.graph.nodes.values()} <= origins.roles


def _steps(facts: ExtensionRootFacts) -> list[Step]:
    root, origins = facts.root, facts.origins
    assert root is not None
    graph = root.progress.graph
    assert graph is not None
    assert origins is not None
    nodes: list[Step] = [
        Insert(df.nodes.fullname, {"instance_id": facts.instance_id, "id": id}, _node(facts, origins, node))
        for id, node in sorted(graph.nodes.items())
    ]
    return [Insert(df.instances.fullname, {"id": facts.instance_id}, _instance(facts, origins, graph)), *nodes]


def _instance(facts: ExtensionRootFacts, origins: Origins, graph: Graph) -> dict[str, Any]:
    root = facts.root
    assert root is not None
    status = root.ended_copy if root.has_ended else root.live_copy
    written_ms = (root.ended_copy_ms if root.has_ended else root.progress.wrote_ms) or origins.created_ms
    moment = facts.flavour.completed_at
    return {
        "label": root.progress.label,
        "root_node": graph.root_node,
        "status": status,
        "submitted_by": quoted(graph.submitted_by),
        "database": graph.database,
        "created_at": moment(origins.created_ms),
        "updated_at": moment(written_ms),
        "completed_at": moment(written_ms) if status == "completed" else None,
    }


def _node(facts: ExtensionRootFacts, origins: Origins, node: Node) -> dict[str, Any]:
    state = origins.nodes.get(node.id, NodeState())
    moment = facts.flavour.completed_at
    row = {
        "node_type": node.node_type,
        "query": node.query,
        "result_name": node.result_name,
        "left_node": node.left_node,
        "right_node": node.right_node,
        "status": state.status,
        "result": None if state.result is None else json.dumps(state.result, ensure_ascii=False),
        "submitted_by": quoted(node.submitted_by),
        "database": node.database,
        "created_at": moment(origins.created_ms),
        "updated_at": moment(state.written_ms or origins.created_ms),
    }
    if facts.flavour.has(df.nodes.c.status_details):
        by = state.execution_id
        row["status_details"] = None if by is None else json.dumps({"execution_id": by})
    return row


REPAIR = Repair[ExtensionRootFacts](
    id="rebuild-df-rows",
    title="Make the rows in df.instances and df.nodes anew from the history",
    safety=Safety.unsafe,
    steps=_steps,
    applies=_can_be_rebuilt,
    does=(
        "Adds the row of df.instances and those of df.nodes, and changes none: label and graph as the history has "
        "them, the states of the nodes by their last writes, status and completed_at by how far the instance has come. "
        "Times are those of the events, some tenths of a second after what was written before."
    ),
    loses="Nothing. No row of the engine is touched.",
    needs=(
        "INSERT on df.instances and df.nodes and BYPASSRLS, or the rights of the owner; the graph in the history, and "
        "the roles that it names. It is unsafe because a backup may hold the very rows, and because whoever deleted "
        "them may have meant to."
    ),
    undone="Deletes the rows again where they are still as the repair made them.",
    rests_on=frozenset({Evidence.history, Evidence.chain, Evidence.store}),
)

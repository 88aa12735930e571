from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_graphs import EXTENSION_GRAPHS

CHECK = Check(
    id="D007",
    name="graph-broken",
    title="A part of an instance's graph is gone",
    severity=Severity.error,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_GRAPHS,
    violated=lambda graph: graph.may_be_broken,
    expects=lambda facts: [facts.instance, facts.missing_nodes],
    cause=no_cause,
    message="its graph should have {expected}, and has {observed}",
    asserts=(
        "Each instance has its root node, each node its instance, and each node that another one names is there: the "
        "left and the right side, the condition of an IF or a LOOP, the further branches of a JOIN. df.start makes all "
        "of them in one transaction."
    ),
    harm=(
        "An instance that has not read its graph yet fails when it does. df.result, df.explain and df.instance_nodes "
        "show of the others what is left. Nodes without an instance stay for ever."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id AS instance_id, i.root_node AS missing FROM df.instances i WHERE NOT EXISTS (SELECT 1 "
            "FROM df.nodes n WHERE n.instance_id = i.id AND n.id = i.root_node) UNION ALL "
            "SELECT n.instance_id, m.id FROM df.nodes n CROSS JOIN LATERAL (SELECT n.left_node::text AS id UNION ALL "
            'SELECT n.right_node::text UNION ALL SELECT substring(n.query, \'"condition_node"\\s*:\\s*"([^"]*)"\') '
            "WHERE n.node_type IN ('IF', 'LOOP') UNION ALL SELECT "
            "jsonb_array_elements_text(n.query::jsonb->'extra_nodes') WHERE n.node_type = 'JOIN' AND n.query LIKE "
            "'%extra_nodes%') m WHERE m.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM df.nodes o WHERE o.instance_id = "
            "n.instance_id AND o.id = m.id) UNION ALL SELECT n.instance_id, n.instance_id FROM df.nodes n "
            "WHERE NOT EXISTS (SELECT 1 FROM df.instances i WHERE i.id = n.instance_id);"
        )
    },
    false_alarms="None is known.",
    example=(
        "Rows of df.nodes were deleted by hand, by age. The foreign keys are NOT VALID after an upgrade, so PostgreSQL "
        "holds no older row to them."
    ),
    repair=NoRepair(
        "what is gone can come from a backup alone; the history has the graph of an instance that has run, as D005 "
        "shows, and a live one goes by that"
    ),
    questions=frozenset(),
)

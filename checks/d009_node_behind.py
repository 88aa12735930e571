from holystone.scan.check import Check, Level, Severity, any_row, no_cause
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_node_states import EXTENSION_NODE_STATES

CHECK = Check(
    id="D009",
    name="node-behind",
    title="A node is not as the last write in the history has left it",
    severity=Severity.warning,
    level=Level.deep,
    flavours=POSTGRESQL,
    relation=EXTENSION_NODE_STATES,
    violated=any_row,
    expects=lambda facts: [facts.status, facts.result, facts.status_details],
    cause=no_cause,
    message="df.nodes says {observed}, and the history {expected}",
    asserts=(
        "Status, result and status_details of a node are those of the last write of it in the histories of the "
        "instance and its children that the worker has reported as made; without any, it is pending."
    ),
    harm=(
        "df.result and df.instance_nodes tell the wrong result or the wrong progress. The engine goes by its history, "
        "so the instance itself is not led astray."
    ),
    how_to_look={
        "postgresql": (
            "SELECT n.instance_id, n.id, n.status, w.asked FROM df.nodes n LEFT JOIN LATERAL (SELECT "
            "(h.event_data::jsonb->>'input')::jsonb AS asked FROM history h JOIN history e "
            "ON e.instance_id = h.instance_id AND e.execution_id = h.execution_id "
            'AND e.event_data LIKE \'%"result":"Node status updated"%\' '
            "AND (e.event_data::jsonb->>'source_event_id')::bigint = h.event_id "
            "WHERE (h.instance_id = n.instance_id OR starts_with(h.instance_id, n.instance_id || '::')) "
            "AND h.event_data LIKE '%update-node-status%' AND strpos(h.event_data, n.id) > 0 "
            "ORDER BY (e.event_data::jsonb->>'timestamp_ms')::bigint DESC LIMIT 1) w ON true "
            "WHERE n.status IS DISTINCT FROM coalesce(w.asked->>'status', 'pending') OR (w.asked->'result' IS NOT NULL "
            "AND n.result IS NULL) OR n.status_details->>'execution_id' IS DISTINCT FROM w.asked->>'execution_id';"
        )
    },
    false_alarms=(
        "None is known. A node may be running or pending for ever in an instance that has ended: a branch that was not "
        "taken, or lost a race. It is never judged by its instance. Nothing is said where a write was under way when "
        "the history ended, or may have been in an execution that is pruned."
    ),
    example="A row of df.nodes was edited by hand, or restored from an older dump than the history.",
    repair="restore-df-node",
    questions=frozenset(),
)

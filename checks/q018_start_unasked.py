from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.messages import MESSAGES

CHECK = Check(
    id="Q018",
    name="start-unasked",
    title="A message begins a child that nobody has asked for",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=MESSAGES,
    violated=lambda message: message.begins_child,
    expects=lambda facts: [facts.begun_by],
    cause=no_cause,
    message="the parent that it names is not there, or has no event that asks for this child",
    asserts=(
        "A StartOrchestration that names a parent is the request of an event SubOrchestrationScheduled, with the id "
        "that it names: the ack of the parent's turn queues the one and appends the other."
    ),
    harm=(
        "The child does its work for nobody. When it ends, its last turn queues the answer to its parent: where that "
        "is no instance, on SQLite the answer halts the dispatcher for the whole store (Q001), on PostgreSQL it stays "
        "in the queue."
    ),
    how_to_look={
        "sqlite": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q WHERE json_valid(q.work_item) "
            "AND json_extract(q.work_item, '$.StartOrchestration.parent_instance') IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM history h "
            "WHERE h.instance_id = json_extract(q.work_item, '$.StartOrchestration.parent_instance') "
            "AND h.event_id = json_extract(q.work_item, '$.StartOrchestration.parent_id') "
            'AND h.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\');'
        ),
        "postgresql": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q "
            'WHERE q.work_item ~ \'^\\{"StartOrchestration"\' AND q.work_item ~ \'"parent_instance": *"\' '
            "AND NOT EXISTS (SELECT 1 FROM history h "
            'WHERE h.instance_id = substring(q.work_item from \'"parent_instance": *"([^"]*)"\') '
            "AND h.event_id = substring(q.work_item from '\"parent_id\": *([0-9]+)')::bigint "
            'AND h.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\');'
        ),
    },
    false_alarms=(
        "None is known, but the engine makes some itself: a parent that is deleted by force before its child has begun "
        "leaves this message behind. The query shows more: of an execution of the parent that is pruned no event is "
        "there, and nothing is said of those."
    ),
    example="A parent was deleted by hand while its child was still to begin.",
    repair=NoRepair(
        "only who knows the orchestration can say whether the child should run: let the engine delete it by force once "
        "it has begun, and before it ends, or restore its parent from a backup"
    ),
    questions=frozenset(),
)

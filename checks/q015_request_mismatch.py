from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.requests import REQUESTED_ACTIVITIES, REQUESTED_MESSAGES, RequestFacts


def _cause(facts: RequestFacts) -> str | None:
    return None if facts.item is None else facts.item.kind


CHECK = Check(
    id="Q015",
    name="request-mismatch",
    title="A message does not ask for what its event says",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=(REQUESTED_ACTIVITIES, REQUESTED_MESSAGES),
    violated=lambda message: message.may_differ,
    expects=lambda facts: facts.wrong,
    cause=_cause,
    message="the message says {observed}, its event {expected}",
    asserts=(
        "What an ack queues says the same as the event that it appends: name, input, session_id and tag of an activity "
        "as ActivityScheduled, fire_at_ms of a timer as TimerCreated, orchestration and input of a child as "
        "SubOrchestrationScheduled, and of the next execution as the start and the end of the current one."
    ),
    harm=(
        "Either the message is wrong or the event. The engine goes by the message: it runs another activity or another "
        "child, or with another input, and takes what comes of it for the answer. A worker may not know the activity, "
        "and none may have its tag or session."
    ),
    how_to_look={
        "sqlite": (
            "SELECT w.instance_id, w.id, w.work_item, h.event_data FROM worker_queue w JOIN history h "
            "ON h.instance_id = w.instance_id AND h.execution_id = w.execution_id AND h.event_id = w.activity_id "
            "WHERE json_valid(w.work_item) AND json_valid(h.event_data) "
            "AND (json_extract(w.work_item, '$.ActivityExecute.name') IS NOT json_extract(h.event_data, '$.name') "
            "OR json_extract(w.work_item, '$.ActivityExecute.input') IS NOT json_extract(h.event_data, '$.input') "
            "OR json_extract(w.work_item, '$.ActivityExecute.tag') IS NOT json_extract(h.event_data, '$.tag') "
            "OR json_extract(w.work_item, '$.ActivityExecute.session_id') "
            "IS NOT json_extract(h.event_data, '$.session_id')) UNION ALL "
            "SELECT q.instance_id, q.id, q.work_item, h.event_data FROM orchestrator_queue q JOIN history h "
            "ON h.instance_id IN (q.instance_id, json_extract(q.work_item, '$.StartOrchestration.parent_instance')) "
            "WHERE json_valid(q.work_item) AND json_valid(h.event_data) "
            'AND ((h.event_data LIKE \'%"type":"TimerCreated"%\' '
            "AND h.event_id = json_extract(q.work_item, '$.TimerFired.id') "
            "AND h.execution_id = json_extract(q.work_item, '$.TimerFired.execution_id') "
            "AND json_extract(h.event_data, '$.fire_at_ms') <> json_extract(q.work_item, '$.TimerFired.fire_at_ms')) "
            'OR (h.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\' '
            "AND h.event_id = json_extract(q.work_item, '$.StartOrchestration.parent_id') "
            "AND (json_extract(h.event_data, '$.name') "
            "<> json_extract(q.work_item, '$.StartOrchestration.orchestration') "
            "OR json_extract(h.event_data, '$.input') <> json_extract(q.work_item, '$.StartOrchestration.input'))) "
            'OR (h.event_data LIKE \'%"type":"OrchestrationContinuedAsNew"%\' '
            "AND q.work_item LIKE '{\"ContinueAsNew\"%' "
            "AND h.execution_id = (SELECT i.current_execution_id FROM instances i WHERE i.instance_id = q.instance_id) "
            "AND json_extract(h.event_data, '$.input') <> json_extract(q.work_item, '$.ContinueAsNew.input')));"
        ),
        "postgresql": (
            "SELECT w.instance_id, w.id, w.work_item, h.event_data FROM worker_queue w JOIN history h "
            "ON h.instance_id = w.instance_id AND h.execution_id = w.execution_id AND h.event_id = w.activity_id "
            "WHERE jsonb_strip_nulls((w.work_item::jsonb->'ActivityExecute') - '{instance,execution_id,id}'::text[]) "
            "<> jsonb_strip_nulls(h.event_data::jsonb - '{event_id,source_event_id,instance_id,execution_id,"
            "timestamp_ms,duroxide_version,type}'::text[]) UNION ALL "
            "SELECT q.instance_id, q.id, q.work_item, h.event_data FROM orchestrator_queue q JOIN history h "
            "ON h.instance_id IN (q.instance_id, q.work_item::jsonb #>> '{StartOrchestration,parent_instance}') "
            'WHERE (h.event_data LIKE \'%"type":"TimerCreated"%\' '
            "AND h.event_id::text = q.work_item::jsonb #>> '{TimerFired,id}' "
            "AND h.execution_id::text = q.work_item::jsonb #>> '{TimerFired,execution_id}' "
            "AND h.event_data::jsonb->>'fire_at_ms' <> q.work_item::jsonb #>> '{TimerFired,fire_at_ms}') "
            'OR (h.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\' '
            "AND h.event_id::text = q.work_item::jsonb #>> '{StartOrchestration,parent_id}' "
            "AND (h.event_data::jsonb->>'name' <> q.work_item::jsonb #>> '{StartOrchestration,orchestration}' "
            "OR h.event_data::jsonb->>'input' <> q.work_item::jsonb #>> '{StartOrchestration,input}')) "
            'OR (h.event_data LIKE \'%"type":"OrchestrationContinuedAsNew"%\' '
            "AND q.work_item LIKE '{\"ContinueAsNew\"%' "
            "AND h.execution_id = (SELECT i.current_execution_id FROM instances i WHERE i.instance_id = q.instance_id) "
            "AND h.event_data::jsonb->>'input' <> q.work_item::jsonb #>> '{ContinueAsNew,input}');"
        ),
    },
    false_alarms=(
        "None is known. Nothing is said of what names no event that can be read, of a child that has begun or may be "
        "another execution's, nor where two messages begin the same. The query passes over none of these, and does not "
        "compare the orchestration of a next execution."
    ),
    example="An input with a mistake in it was put right in the queue by hand, and not in the history.",
    repair="restore-request",
    # The event may be the wrong one, and what is copied from it is then no better.
    questions=frozenset({Evidence.history, Evidence.queue, Evidence.turn}),
)

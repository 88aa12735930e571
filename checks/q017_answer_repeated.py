from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.arrivals import ARRIVALS, ArrivalFacts


def _cause(facts: ArrivalFacts) -> str | None:
    return facts.kind


CHECK = Check(
    id="Q017",
    name="answer-repeated",
    title="A message answers once more what has been answered",
    severity=Severity.critical,
    level=Level.deep,
    flavours=BOTH,
    relation=ARRIVALS,
    violated=lambda message: message.may_be_answered,
    expects=lambda facts: [facts.answered_by],
    cause=_cause,
    message="the execution, which runs, has {observed[answered_by]} already",
    asserts=(
        "What an execution has asked for is answered once. The engine drops a second ActivityCompleted, TimerFired, "
        "SubOrchCompleted or SubOrchFailed beside the first one of that kind. It does not drop an answer of the "
        "other kind, nor a second ActivityFailed."
    ),
    harm=(
        "As soon as a dispatcher takes it, the engine fails the live orchestration for good: `nondeterministic: "
        "completion without open schedule`."
    ),
    how_to_look={
        "sqlite": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q JOIN json_each(q.work_item) k "
            "JOIN instances i ON i.instance_id = q.instance_id JOIN history h ON h.instance_id = q.instance_id "
            "AND h.execution_id = i.current_execution_id WHERE json_valid(q.work_item) AND json_valid(h.event_data) "
            "AND k.key IN ('ActivityCompleted', 'ActivityFailed', 'SubOrchCompleted', 'SubOrchFailed') "
            "AND json_extract(h.event_data, '$.source_event_id') = coalesce(json_extract(k.value, '$.parent_id'), "
            "json_extract(k.value, '$.id')) AND coalesce(json_extract(k.value, '$.parent_execution_id'), "
            "json_extract(k.value, '$.execution_id')) = i.current_execution_id AND (k.key = 'ActivityFailed' "
            "OR (k.key LIKE '%Completed') <> (json_extract(h.event_data, '$.type') LIKE '%Completed')) "
            "AND json_extract(h.event_data, '$.type') IN ('ActivityCompleted', 'ActivityFailed', "
            "'SubOrchestrationCompleted', 'SubOrchestrationFailed');"
        ),
        "postgresql": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q "
            "JOIN instances i ON i.instance_id = q.instance_id JOIN history h ON h.instance_id = q.instance_id "
            "AND h.execution_id = i.current_execution_id WHERE q.work_item ~ "
            "'^\\{\"(ActivityCompleted|ActivityFailed|SubOrchCompleted|SubOrchFailed)\"' "
            "AND substring(q.work_item from 'execution_id\": *([0-9]+)')::bigint = i.current_execution_id "
            "AND substring(h.event_data from '\"source_event_id\":([0-9]+)') = coalesce("
            "substring(q.work_item from '\"parent_id\": *([0-9]+)'), substring(q.work_item from '\"id\": *([0-9]+)')) "
            'AND h.event_data ~ \'"type":"(Activity|SubOrchestration)(Completed|Failed)"\' '
            "AND (q.work_item LIKE '{\"ActivityFailed\"%' "
            'OR (q.work_item ~ \'^\\{"\\w+Completed"\') <> (h.event_data ~ \'"type":"\\w+Completed"\'));'
        ),
    },
    false_alarms="None is known. What the engine drops is no finding.",
    example="A message was put back by hand after its turn; two copies of one queue were poured together.",
    repair="park-message",
    questions=frozenset({Evidence.turn}),
)

from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES, MessageFacts


def _cause(facts: MessageFacts) -> str | None:
    return None if facts.item is None else facts.item.kind


CHECK = Check(
    id="Q008",
    name="answer-stray",
    title="A message answers what its execution has not asked",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=MESSAGES,
    violated=lambda message: not_(message.answers),
    expects=lambda facts: [facts.asked_by],
    cause=_cause,
    message="the execution, which runs, has no event that asked for it",
    asserts=(
        "ActivityCompleted, ActivityFailed, TimerFired, SubOrchCompleted and SubOrchFailed in orchestrator_queue "
        "answer an event of the instance: ActivityScheduled, TimerCreated or SubOrchestrationScheduled, with the id "
        "that they name, in the execution that they name."
    ),
    harm=(
        "As soon as a dispatcher takes it, the engine fails the live orchestration for good: `nondeterministic: no "
        "matching schedule for completion`."
    ),
    how_to_look={
        "sqlite": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q JOIN json_each(q.work_item) k "
            "JOIN instances i ON i.instance_id = q.instance_id WHERE json_valid(q.work_item) AND k.key IN "
            "('ActivityCompleted', 'ActivityFailed', 'TimerFired', 'SubOrchCompleted', 'SubOrchFailed') "
            "AND coalesce(json_extract(k.value, '$.parent_execution_id'), json_extract(k.value, '$.execution_id')) "
            "= i.current_execution_id AND NOT EXISTS (SELECT 1 FROM history h WHERE h.instance_id = q.instance_id "
            "AND h.execution_id = i.current_execution_id AND h.event_id = coalesce(json_extract(k.value, "
            "'$.parent_id'), json_extract(k.value, '$.id')) AND (h.event_data LIKE '%Scheduled\"%' "
            'OR h.event_data LIKE \'%"type":"TimerCreated"%\'));'
        ),
        "postgresql": (
            "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q "
            "JOIN instances i ON i.instance_id = q.instance_id WHERE q.work_item ~ "
            "'^\\{\"(ActivityCompleted|ActivityFailed|TimerFired|SubOrchCompleted|SubOrchFailed)\"' "
            "AND substring(q.work_item from 'execution_id\": *([0-9]+)')::bigint = i.current_execution_id "
            "AND NOT EXISTS (SELECT 1 FROM history h WHERE h.instance_id = q.instance_id "
            "AND h.execution_id = i.current_execution_id AND h.event_id = coalesce("
            "substring(q.work_item from '\"parent_id\": *([0-9]+)'), substring(q.work_item from '\"id\": *([0-9]+)')"
            ')::bigint AND (h.event_data LIKE \'%Scheduled"%\' OR h.event_data LIKE \'%"type":"TimerCreated"%\'));'
        ),
    },
    false_alarms=(
        "None is known. Answers to executions that have ended are passed over, as the engine does, and so is one whose "
        "event is there and cannot be read."
    ),
    example="History came back from an older backup than the queues; a message was copied to another instance.",
    repair="park-message",
    questions=frozenset({Evidence.turn}),
)

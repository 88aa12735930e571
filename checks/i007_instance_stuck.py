from sqlalchemy import and_, not_

from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.running_executions import RUNNING_EXECUTIONS, RunningFacts

# Of a message, spaces do not matter: PostgreSQL prints some of them anew.
_DIAGNOSIS = (
    "SELECT e.instance_id, e.execution_id, h.event_id, h.event_data FROM executions e JOIN instances i "
    "ON i.instance_id = e.instance_id AND i.current_execution_id = e.execution_id JOIN history h "
    "ON h.instance_id = e.instance_id AND h.execution_id = e.execution_id AND h.event_id = (SELECT max(l.event_id) "
    "FROM history l WHERE l.instance_id = e.instance_id AND l.execution_id = e.execution_id) "
    "WHERE e.status = 'Running' AND h.event_data NOT LIKE '%\"type\":\"ExternalSubscribed%' "
    "AND NOT EXISTS (SELECT 1 FROM worker_queue w WHERE w.instance_id = e.instance_id "
    "AND w.execution_id = e.execution_id) AND NOT EXISTS (SELECT 1 FROM orchestrator_queue q "
    "WHERE q.instance_id = e.instance_id AND (q.work_item NOT LIKE '%execution_id\":%' "
    "OR replace(q.work_item, ' ', '') LIKE '%execution_id\":' || e.execution_id || ',%' "
    "OR replace(q.work_item, ' ', '') LIKE '%execution_id\":' || e.execution_id || '}%'));"
)


def _cause(facts: RunningFacts) -> str:
    if not facts.waits_for:
        return "waits-for-nothing"
    return facts.lost.get(facts.waits_for[0]["event_id"], "given-up-without-a-word")


CHECK = Check(
    id="I007",
    name="instance-stuck",
    title="An instance runs, and nothing can ever wake it",
    severity=Severity.critical,
    level=Level.standard,
    flavours=BOTH,
    relation=RUNNING_EXECUTIONS,
    violated=lambda wait: and_(not_(wait.has_message), not_(wait.has_activity), wait.may_be_stuck),
    expects=lambda facts: [facts.woken_by],
    cause=_cause,
    message="it waits for {expected[woken_by]}, and nothing is there that could wake it",
    asserts=(
        "Something can wake each execution that runs: a message for it in orchestrator_queue (now, later, or in the "
        "hands of a dispatcher), an activity of it in worker_queue, a child that has not ended or is still to be "
        "started, or an event from outside for which it has subscribed. A timer is a message that becomes visible when "
        "it fires, so one without its message never does."
    ),
    harm=(
        "The orchestration waits for ever, and so does whoever waits for it. No error is shown, no attempt is counted, "
        "and it is never deleted in bulk, for it runs."
    ),
    how_to_look=_DIAGNOSIS,
    false_alarms=(
        "None is known, but the engine makes some itself. A child that fails because its last turn broke a limit "
        "(cause child-broke-limit), or could not be stored (child-unstored), does not tell its parent, in any version; "
        "nor does one that continued as new under an engine before 0.1.30 (child-forgot-parent). The query shows more: "
        "whoever has a subscription that is not the last event, or a child that runs, is not stuck. Statuses that are "
        "in doubt are reported by E001; mend those first."
    ),
    example="A worker_queue that had grown was emptied; a queue was restored from an older backup than the history.",
    repair=NoRepair(
        "what is lost cannot be told from what has been done: to run an activity once more, or to fire a timer, is for "
        "those who know what it does. Cancel the instance with the engine's API, or start its work anew"
    ),
    questions=frozenset({Evidence.history}),
)

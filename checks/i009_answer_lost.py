from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.running_executions import RUNNING_EXECUTIONS, RunningFacts


def _cause(facts: RunningFacts) -> str:
    return facts.lost[facts.never_answered[0]["event_id"]]


CHECK = Check(
    id="I009",
    name="answer-lost",
    title="An execution that runs has asked for what can never come",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=RUNNING_EXECUTIONS,
    violated=lambda wait: wait.may_lack_answers,
    expects=lambda facts: [facts.answered_by],
    cause=_cause,
    message="it has asked for {expected[answered_by]}, and {observed[answered_by]} is there that could answer",
    asserts=(
        "Whatever an execution has asked for, and has not given up, can still be answered: an activity is in "
        "worker_queue or its answer in orchestrator_queue, a timer's TimerFired is in orchestrator_queue until it "
        "fires, and a child runs, is to be started, or has its answer queued."
    ),
    harm=(
        "Something else may still wake the orchestration, so that it is not stuck altogether. But the timer of a race "
        "never fires, a deadline never passes, and whoever waits for all of several things waits for ever."
    ),
    how_to_look=(
        "SELECT e.instance_id, e.execution_id, h.event_id, h.event_data FROM executions e JOIN instances i "
        "ON i.instance_id = e.instance_id AND i.current_execution_id = e.execution_id JOIN history h "
        "ON h.instance_id = e.instance_id AND h.execution_id = e.execution_id WHERE e.status = 'Running' "
        'AND (h.event_data LIKE \'%"type":"ActivityScheduled"%\' OR h.event_data LIKE \'%"type":"TimerCreated"%\' '
        'OR h.event_data LIKE \'%"type":"SubOrchestrationScheduled"%\') AND NOT EXISTS (SELECT 1 FROM history a '
        "WHERE a.instance_id = e.instance_id AND a.execution_id = e.execution_id "
        "AND a.event_data LIKE '%\"source_event_id\":' || h.event_id || ',%') AND NOT EXISTS (SELECT 1 "
        "FROM worker_queue w WHERE w.instance_id = e.instance_id AND w.execution_id = e.execution_id "
        "AND w.activity_id = h.event_id) AND NOT EXISTS (SELECT 1 FROM orchestrator_queue q "
        "WHERE q.instance_id = e.instance_id AND (replace(q.work_item, ' ', '') LIKE '%id\":' || h.event_id || ',%' "
        "OR replace(q.work_item, ' ', '') LIKE '%id\":' || h.event_id || '}%') "
        "AND (replace(q.work_item, ' ', '') LIKE '%execution_id\":' || e.execution_id || ',%' "
        "OR replace(q.work_item, ' ', '') LIKE '%execution_id\":' || e.execution_id || '}%')) AND NOT EXISTS (SELECT 1 "
        "FROM instances c JOIN executions x ON x.instance_id = c.instance_id "
        "AND x.execution_id = c.current_execution_id WHERE c.parent_instance_id = e.instance_id "
        "AND x.status IN ('Running', 'ContinuedAsNew'));"
    ),
    false_alarms=(
        "None is known, but the engine makes some itself. A child that fails because its last turn broke a limit "
        "(cause child-broke-limit), or could not be stored (child-unstored), does not tell its parent, in any version; "
        "nor does one that continued as new under an engine before 0.1.30 (child-forgot-parent). Where nothing else "
        "can wake the execution, I007 tells it instead. Engines before 0.1.16 gave up activities without an event: of "
        "those nothing is said."
    ),
    example=(
        "The messages of timers were deleted from orchestrator_queue while orchestrations waited for an event as well."
    ),
    repair=NoRepair(
        "what is lost cannot be told from what has been done: to run an activity once more, or to fire a timer, is for "
        "those who know what it does. Cancel the instance with the engine's API, or start its work anew"
    ),
    questions=frozenset({Evidence.history}),
)

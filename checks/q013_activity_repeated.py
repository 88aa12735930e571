from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.repeats import REPEATS, RepeatFacts


def _cause(facts: RepeatFacts) -> str:
    return facts.fate.replace(" ", "-")


CHECK = Check(
    id="Q013",
    name="activity-repeated",
    title="An activity waits to be run once more",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=REPEATS,
    violated=lambda activity: activity.may_be_repeated,
    expects=lambda facts: [facts.activity],
    cause=_cause,
    message="an activity is to be run that is {observed[activity]} already",
    asserts=(
        "An activity is in worker_queue once, and no more as soon as it is answered: the ack that schedules it queues "
        "it, a worker that gives it back leaves its row where it is, and the ack that queues the answer takes the row "
        "away. Another attempt of a retry policy is another event, and so another activity."
    ),
    harm=(
        "A worker runs the activity once more, whatever it does to the world. The engine drops a second result; but "
        "if one of the two runs fails, the second answer may fail the live orchestration (Q017)."
    ),
    how_to_look=(
        "SELECT w.instance_id, w.id, w.execution_id, w.activity_id, w.lock_token, w.work_item FROM worker_queue w "
        "WHERE EXISTS (SELECT 1 FROM worker_queue o WHERE o.instance_id = w.instance_id "
        "AND o.execution_id = w.execution_id AND o.activity_id = w.activity_id AND o.id <> w.id) "
        "OR EXISTS (SELECT 1 FROM history h WHERE h.instance_id = w.instance_id AND h.execution_id = w.execution_id "
        "AND h.event_data LIKE '%\"source_event_id\":' || w.activity_id || ',%' "
        'AND (h.event_data LIKE \'%"type":"ActivityCompleted"%\' OR h.event_data LIKE \'%"type":"ActivityFailed"%\')) '
        "OR EXISTS (SELECT 1 FROM orchestrator_queue q WHERE q.instance_id = w.instance_id "
        "AND (q.work_item LIKE '{\"ActivityCompleted\"%' OR q.work_item LIKE '{\"ActivityFailed\"%') "
        "AND (replace(q.work_item, ' ', '') LIKE '%\"id\":' || w.activity_id || ',%' "
        "OR replace(q.work_item, ' ', '') LIKE '%\"id\":' || w.activity_id || '}%') "
        "AND (replace(q.work_item, ' ', '') LIKE '%\"execution_id\":' || w.execution_id || ',%' "
        "OR replace(q.work_item, ' ', '') LIKE '%\"execution_id\":' || w.execution_id || '}%'));"
    ),
    false_alarms=(
        "None is known. Of rows of one activity, the one that a worker has, or else the first one, is no finding, "
        "though the query shows it. Of an execution that has ended, Q003 tells."
    ),
    example="The queue of the workers came back from a backup that is older than the history, or a row was copied.",
    repair="remove-repeated-activity",
    questions=frozenset({Evidence.queue, Evidence.turn}),
)

from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.worker_items import WORKER_ITEMS

CHECK = Check(
    id="Q004",
    name="worker-identity-mismatch",
    title="The columns of an activity are not those of its message",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=WORKER_ITEMS,
    violated=lambda item: not_(item.identified),
    expects=lambda facts: [one for one in facts.copies if one.differs],
    cause=no_cause,
    message="the columns say {observed}, the message {expected}",
    asserts=(
        "instance_id, execution_id, activity_id, session_id and tag in worker_queue are those of the activity in "
        "work_item. The engine writes them together; rows that are older than the first three columns have NULL in all "
        "of them."
    ),
    harm=(
        "The engine cancels activities and deletes instances by these columns: it passes this one over, which then "
        "runs for an execution that has ended, or it takes it away from one that waits for it. By a wrong session_id "
        "or tag the activity goes to a worker that cannot run it, or to none."
    ),
    how_to_look={
        "sqlite": (
            "SELECT w.instance_id, w.execution_id, w.activity_id, w.session_id, w.tag, w.id, w.work_item "
            "FROM worker_queue w WHERE json_valid(w.work_item) AND w.instance_id IS NOT NULL "
            "AND (json_extract(w.work_item, '$.ActivityExecute.instance') IS NOT w.instance_id "
            "OR json_extract(w.work_item, '$.ActivityExecute.execution_id') IS NOT w.execution_id "
            "OR json_extract(w.work_item, '$.ActivityExecute.id') IS NOT w.activity_id "
            "OR json_extract(w.work_item, '$.ActivityExecute.session_id') IS NOT w.session_id "
            "OR json_extract(w.work_item, '$.ActivityExecute.tag') IS NOT w.tag);"
        ),
        "postgresql": (
            "SELECT w.instance_id, w.execution_id, w.activity_id, w.session_id, w.tag, w.id, w.work_item "
            "FROM (SELECT *, replace(work_item, '\": ', '\":') AS item FROM worker_queue) w "
            "WHERE w.instance_id IS NOT NULL AND (strpos(w.item, '\"instance\":' || to_json(w.instance_id)::text) = 0 "
            "OR w.execution_id IS NULL OR w.item !~ ('\"execution_id\":' || w.execution_id || '[,}]') "
            "OR w.activity_id IS NULL OR w.item !~ ('\"id\":' || w.activity_id || '[,}]') "
            "OR strpos(w.item, '\"session_id\":' || to_json(w.session_id)::text) = 0 "
            'OR (w.session_id IS NULL AND strpos(w.item, \'"session_id":"\') > 0) '
            "OR strpos(w.item, '\"tag\":' || to_json(w.tag)::text) = 0 "
            'OR (w.tag IS NULL AND strpos(w.item, \'"tag":"\') > 0));'
        ),
    },
    false_alarms="None is known.",
    example="A tag was changed in the column by hand, to move activities to other workers, and not in the message.",
    repair="restore-identity",
    questions=frozenset({Evidence.queue}),
)

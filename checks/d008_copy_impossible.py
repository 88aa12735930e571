from holystone.pg_durable.copy import Drift
from holystone.scan.check import Check, Level, Severity
from holystone.scan.relations.extension import POSTGRESQL
from holystone.scan.relations.extension_instances import EXTENSION_INSTANCES

CHECK = Check(
    id="D008",
    name="copy-impossible",
    title="pg_durable's row of an instance is as no worker leaves it",
    severity=Severity.error,
    level=Level.standard,
    flavours=POSTGRESQL,
    relation=EXTENSION_INSTANCES,
    violated=lambda instance: instance.may_differ,
    expects=lambda facts: facts.wrong_where(Drift.impossible),
    cause=lambda facts: facts.cause,
    message="df.instances says {observed[status]!r} and completed at {observed[completed_at]}",
    asserts=(
        "A row of df.instances has a status, completed_at exactly where it is completed, and is not pending any more "
        "once the history has the worker's write that it is running."
    ),
    harm=(
        "A status that is NULL passes every condition of pg_durable's: the worker never writes over it, and no list "
        "has it. Retention goes by completed_at, and takes the row too early, or too late."
    ),
    how_to_look={
        "postgresql": (
            "SELECT i.id, i.status, i.completed_at, i.submitted_by FROM df.instances i WHERE i.status IS NULL "
            "OR (i.completed_at IS NOT NULL) <> (i.status = 'completed') OR (i.status = 'pending' AND EXISTS (SELECT 1 "
            "FROM history h WHERE h.instance_id = i.id AND h.event_data LIKE '%Status updated to running%'));"
        )
    },
    false_alarms=(
        "None is known. Where the status is wrong by the history D001, D002 or D003 tells of it, and not this check; "
        "the query finds those as well."
    ),
    example="The owner of an instance set its status to NULL: pg_durable grants that, and its CHECK lets it pass.",
    repair="restore-df-status",
    questions=frozenset(),
)

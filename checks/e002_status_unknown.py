from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="E002",
    name="status-unknown",
    title="Status is none that the engine knows",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: not_(execution.status_known),
    expects=lambda facts: [facts.status],
    cause=no_cause,
    message="status is {observed[status]!r}, its history says {expected[status]}",
    asserts="executions.status is one of Running, Completed, Failed and ContinuedAsNew, written exactly so.",
    harm=(
        "The engine counts such an execution under no status, so lists and metrics leave it out, and deletes it "
        "as ended: whatever is not Running may go."
    ),
    how_to_look=(
        "SELECT instance_id, execution_id, status FROM executions "
        "WHERE status NOT IN ('Running', 'Completed', 'Failed', 'ContinuedAsNew');"
    ),
    false_alarms="None is known. An execution to whose history a newer engine has written is passed over.",
    example="Someone set status to 'cancelled' or 'completed' by hand.",
    repair="restore-outcome",
    questions=frozenset({Evidence.executions}),
    proved_by=Proof.boundary_events,
)

from sqlalchemy import and_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="E003",
    name="completed-at-missing",
    title="An ended execution has no completed_at",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(execution.completed_at.is_(None), execution.has_completed_at, execution.ended),
    expects=lambda facts: [facts.completed_at],
    cause=no_cause,
    message="ended, but completed_at is not set",
    asserts=(
        "executions.completed_at is set once the execution has ended. On PostgreSQL the engine leaves it NULL for "
        "ContinuedAsNew, by design; on SQLite it sets it there too."
    ),
    harm="Bulk delete and prune with completed_before never match the execution, so it is kept for ever.",
    how_to_look=(
        "SELECT instance_id, execution_id, status FROM executions "
        "WHERE status IN ('Completed', 'Failed') AND completed_at IS NULL;"
    ),
    false_alarms="None is known. Executions whose status is itself in doubt are reported by E001 alone.",
    example="The published backfill of the status column set the status and left completed_at as it was.",
    repair="restore-completed-at",
    questions=frozenset({Evidence.executions}),
    proved_by=Proof.boundary_events,
)

from sqlalchemy import and_

from holystone.duroxide.event_types import RUNNING
from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="E004",
    name="completed-at-premature",
    title="A running execution has a completed_at",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(
        execution.completed_at.is_not(None), execution.status == RUNNING, execution.status_agrees
    ),
    expects=lambda facts: [facts.completed_at],
    cause=no_cause,
    message="running, but completed_at is {observed[completed_at]}",
    asserts="executions.completed_at is NULL while the execution runs: only the ack of its terminal event sets it.",
    harm="Whatever reads completed_at takes a live execution for an ended one, and may clean it up.",
    how_to_look=(
        "SELECT instance_id, execution_id, completed_at FROM executions "
        "WHERE status = 'Running' AND completed_at IS NOT NULL;"
    ),
    false_alarms="None is known. Executions whose status is itself in doubt are reported by E001 alone.",
    example="A status was put back to Running by hand, and completed_at was forgotten.",
    repair="clear-completed-at",
    questions=frozenset({Evidence.executions}),
    proved_by=Proof.boundary_events,
)

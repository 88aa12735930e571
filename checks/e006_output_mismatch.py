from sqlalchemy import and_, not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="E006",
    name="output-mismatch",
    title="Output is not the terminal event's",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(not_(execution.output_surely_agrees), execution.status_agrees),
    expects=lambda facts: [facts.output],
    cause=no_cause,
    message="output differs from the one in its history",
    asserts=(
        "executions.output is the terminal event's: the output of OrchestrationCompleted, the display message of "
        "the failure in OrchestrationFailed, the input for the next execution in OrchestrationContinuedAsNew, and "
        "NULL while the execution runs."
    ),
    harm="Reports and dashboards on the executions table show a result that the orchestration never returned.",
    how_to_look=(
        "SELECT e.instance_id, e.execution_id, e.status, e.output, h.event_data AS last_event FROM executions e "
        "JOIN history h ON h.instance_id = e.instance_id AND h.execution_id = e.execution_id AND h.event_id = "
        "(SELECT max(event_id) FROM history WHERE instance_id = e.instance_id AND execution_id = e.execution_id) "
        "WHERE e.status <> 'Running' OR e.output IS NOT NULL;"
    ),
    false_alarms=(
        "None is known. A kind of failure that only a newer engine knows is passed over, for its wording cannot be "
        "derived."
    ),
    example="The published backfill of the status column left output NULL; a text was shortened by hand to save room.",
    repair="restore-output",
    questions=frozenset({Evidence.executions}),
    proved_by=Proof.boundary_events,
)

from sqlalchemy import and_, not_

from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="E008",
    name="execution-empty",
    title="An execution has no history",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(not_(execution.has_history), execution.instance_exists),
    expects=lambda facts: [facts.history],
    cause=no_cause,
    message="it has no event in history",
    asserts="Each execution of an instance has at least its OrchestrationStarted in history.",
    harm="What the execution did is lost: the engine cannot replay it, and its status cannot be verified.",
    how_to_look=(
        "SELECT e.* FROM executions e LEFT JOIN history h ON h.instance_id = e.instance_id "
        "AND h.execution_id = e.execution_id WHERE h.instance_id IS NULL;"
    ),
    false_alarms="None is known. Executions without instance are reported by E007.",
    example="Rows of history were deleted by hand to save room, and the executions were kept.",
    repair=NoRepair("events that are gone can only come from a backup; without them nothing says how it ended"),
    questions=frozenset({Evidence.chain, Evidence.turn}),
    proved_by=Proof.boundary_events,
)

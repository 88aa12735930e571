from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.instances import INSTANCES

CHECK = Check(
    id="I002",
    name="instance-empty",
    title="An instance has no execution",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=INSTANCES,
    violated=lambda instance: instance.highest_execution_id.is_(None),
    expects=lambda facts: [facts.executions],
    cause=no_cause,
    message="it has no row in executions",
    asserts=(
        "Each instance has at least one execution: the ack of a first turn makes both rows in one transaction, "
        "prune never takes the current execution, and a delete takes the instance with all of them."
    ),
    harm=(
        "The instance has no status. No list by status and no metric counts it, and bulk delete, which asks for the "
        "status of the current execution, never takes it."
    ),
    how_to_look=(
        "SELECT i.* FROM instances i LEFT JOIN executions e ON e.instance_id = i.instance_id "
        "WHERE e.instance_id IS NULL;"
    ),
    false_alarms="None is known. An instance that is just being started has no row at all until its first ack.",
    example="Rows of executions were deleted by hand, by age, and the instances were forgotten.",
    repair=NoRepair(
        "the executions can only come from a backup; where nobody misses them, the engine's own delete with force "
        "takes the row away"
    ),
    questions=frozenset({Evidence.chain, Evidence.instance, Evidence.turn}),
    proved_by=Proof.boundary_events,
)

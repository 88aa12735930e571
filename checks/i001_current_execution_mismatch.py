from sqlalchemy import and_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.instances import INSTANCES

CHECK = Check(
    id="I001",
    name="current-execution-mismatch",
    title="The current execution is not the newest one",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=INSTANCES,
    violated=lambda instance: and_(
        instance.highest_execution_id.is_not(None), instance.current_execution_id != instance.highest_execution_id
    ),
    expects=lambda facts: [facts.current_execution_id],
    cause=no_cause,
    message="its current execution is {observed[current_execution_id]}, its newest {expected[current_execution_id]}",
    asserts=(
        "instances.current_execution_id is the highest execution_id of the instance: each ack raises it, none "
        "lowers it, and prune never removes the current execution."
    ),
    harm=(
        "The engine takes its turns on the wrong execution: a finished one gets the messages of the live one, "
        "which then waits for ever, and bulk delete judges the instance by the wrong status."
    ),
    how_to_look=(
        "SELECT i.instance_id, i.current_execution_id, max(e.execution_id) FROM instances i JOIN executions e "
        "ON e.instance_id = i.instance_id GROUP BY i.instance_id, i.current_execution_id "
        "HAVING max(e.execution_id) <> i.current_execution_id;"
    ),
    false_alarms="None is known.",
    example="A row of instances came back from an older backup than its executions.",
    repair="restore-current-execution",
    questions=frozenset({Evidence.instance}),
    proved_by=Proof.boundary_events,
)

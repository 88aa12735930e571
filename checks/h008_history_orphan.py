from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.histories import HISTORIES

CHECK = Check(
    id="H008",
    name="history-orphan",
    title="A history has no execution",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=HISTORIES,
    violated=lambda history: not_(history.execution_exists),
    expects=lambda facts: [facts.execution],
    cause=lambda facts: "execution-lost" if facts.instance_exists else "instance-lost",
    message="there is no row in executions for it",
    asserts="Each execution that has events has a row in executions: the ack that writes the first of them makes it.",
    harm=(
        "The engine's lists, metrics, prune and bulk delete go by executions: they do not see it, so that it is never "
        "cleaned up, and whoever asks for the instance's executions does not learn of it."
    ),
    how_to_look=(
        "SELECT DISTINCT h.instance_id, h.execution_id FROM history h LEFT JOIN executions e "
        "ON e.instance_id = h.instance_id AND e.execution_id = h.execution_id WHERE e.instance_id IS NULL;"
    ),
    false_alarms="None is known.",
    example="A clean-up by hand deleted from executions and forgot history; executions came back from an older backup.",
    repair="restore-execution",
    questions=frozenset({Evidence.history, Evidence.instance}),
    proved_by=Proof.boundary_events,
)

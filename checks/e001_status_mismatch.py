from sqlalchemy import and_, not_

from holystone.scan.check import BOTH, Check, Level, Severity, derived
from holystone.scan.relations.executions import EXECUTIONS, ExecutionFacts
from holystone.store.events import RUNNING


def _cause(facts: ExecutionFacts) -> str:
    if facts.status == RUNNING:
        return "stale-running"
    return "premature-terminal" if facts.expected("status") == RUNNING else "wrong-terminal"


CHECK = Check(
    id="E001",
    name="status-mismatch",
    title="Status is not what the history says",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(execution.status_known, not_(execution.status_agrees)),
    expects=derived("status"),
    cause=_cause,
    message="status is {observed[status]}, its history says {expected[status]}",
    asserts=(
        "executions.status is what the execution's terminal event makes it: OrchestrationCompleted gives Completed, "
        "OrchestrationFailed gives Failed, OrchestrationContinuedAsNew gives ContinuedAsNew, and a history without "
        "a terminal event means Running. The engine writes both in one transaction and never compares them again, "
        "so a row that drifted does not heal."
    ),
    harm=(
        "The engine's bulk delete, prune and instance lists believe the column: a live execution that looks ended "
        "is deleted with its history, and an ended one that looks live is never cleaned up."
    ),
    how_to_look=(
        "SELECT e.instance_id, e.execution_id, e.status, h.event_id, h.event_data FROM executions e JOIN history h "
        "ON h.instance_id = e.instance_id AND h.execution_id = e.execution_id WHERE e.instance_id = 'ID' "
        "ORDER BY h.event_id DESC LIMIT 1;"
    ),
    false_alarms=(
        "None is known. An execution whose history holds an event that cannot be read is passed over, unless its "
        "last event is terminal: older engines set Failed there without writing an event."
    ),
    example=(
        "A version of the engine never updated the status of finished executions (stale-running); the backfill "
        "that was published for it matched whole instances and so marked live executions of continued instances "
        "as ended (premature-terminal), and finished ones with another's status (wrong-terminal)."
    ),
    repair="restore-outcome",
)

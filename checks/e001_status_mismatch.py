from sqlalchemy import and_, not_

from holystone.duroxide.event_types import RUNNING
from holystone.scan.check import BOTH, Check, Level, Proof, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS, ExecutionFacts


def _cause(facts: ExecutionFacts) -> str:
    if facts.status.observed == RUNNING:
        return "stale-running"
    return "premature-terminal" if facts.status.expected == RUNNING else "wrong-terminal"


_DIAGNOSIS = """\
SELECT instance_id, execution_id, status, terminal_event FROM (
  SELECT e.instance_id, e.execution_id, e.status, (
    SELECT {type} FROM history h WHERE h.instance_id = e.instance_id AND h.execution_id = e.execution_id
    AND {type} IN ('OrchestrationCompleted', 'OrchestrationFailed', 'OrchestrationContinuedAsNew')
    ORDER BY h.event_id DESC LIMIT 1) AS terminal_event
  FROM executions e) AS told
WHERE status <> CASE terminal_event WHEN 'OrchestrationCompleted' THEN 'Completed'
  WHEN 'OrchestrationFailed' THEN 'Failed' WHEN 'OrchestrationContinuedAsNew' THEN 'ContinuedAsNew'
  ELSE 'Running' END;"""

CHECK = Check(
    id="E001",
    name="status-mismatch",
    title="Status is not what the history says",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(not_(execution.status_agrees), execution.status_known),
    expects=lambda facts: [facts.status],
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
    how_to_look={
        "sqlite": _DIAGNOSIS.format(
            type="CASE WHEN json_valid(h.event_data) THEN json_extract(h.event_data, '$.type') END"
        ),
        "postgresql": _DIAGNOSIS.format(type="""substring(h.event_data from '"type":"([A-Za-z]+)"')"""),
    },
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
    questions=frozenset({Evidence.executions}),
    proved_by=Proof.boundary_events,
)

from sqlalchemy import and_, not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="I006",
    name="chain-broken",
    title="An instance continued as new, and nothing will",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: and_(execution.is_current, execution.may_have_continued, not_(execution.next_is_queued)),
    expects=lambda facts: [facts.continuation],
    cause=no_cause,
    message="it continued as new, but there is neither a next execution nor the message that begins it",
    asserts=(
        "A current execution that ended in OrchestrationContinuedAsNew has a ContinueAsNew message in "
        "orchestrator_queue: waiting, put off, or in the hands of a dispatcher. The ack that ends the execution "
        "queues it, and the ack that begins the next one takes it away, each in one transaction."
    ),
    harm=(
        "The instance is lost, and whoever asks is told that it still runs. Nothing begins its next execution: what is "
        "sent to it is dropped by engines up to 0.1.30, and makes newer ones fail it for good after ten attempts."
    ),
    how_to_look=(
        "SELECT e.instance_id, e.execution_id, e.started_at FROM executions e JOIN instances i "
        "ON i.instance_id = e.instance_id AND i.current_execution_id = e.execution_id "
        "WHERE e.status = 'ContinuedAsNew' AND NOT EXISTS (SELECT 1 FROM orchestrator_queue q "
        "WHERE q.instance_id = e.instance_id AND q.work_item LIKE '{\"ContinueAsNew\"%');"
    ),
    false_alarms=(
        "None is known. Where a message for the instance cannot be read, it may be the one, and Q002 tells of it alone."
    ),
    example=(
        "Somebody emptied orchestrator_queue to get rid of messages that piled up. Engine 0.1.28 breaks a chain by "
        "itself: where a second StartOrchestration for the same instance is queued before the ContinueAsNew message, "
        "it takes both in one turn, and drops them as duplicates of a start."
    ),
    repair="requeue-continue-as-new",
    questions=frozenset({Evidence.history, Evidence.chain}),
    proved_by=Proof.boundary_events,
)

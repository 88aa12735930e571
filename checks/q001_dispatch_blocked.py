from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.messages import MESSAGES, MessageFacts


def _cause(facts: MessageFacts) -> str | None:
    return None if facts.item is None else facts.item.kind


CHECK = Check(
    id="Q001",
    name="dispatch-blocked",
    title="A message waits for an instance that does not exist",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=MESSAGES,
    violated=lambda message: message.instance_absent,
    expects=lambda facts: [facts.instance],
    cause=_cause,
    message="there is no such instance, and nothing starts it",
    asserts=(
        "Each message in orchestrator_queue is for an instance that has a row in instances, or that a "
        "StartOrchestration or ContinueAsNew message in the same queue is about to start. Messages that came a little "
        "before the start of their instance are passed over until they are older than --race-window."
    ),
    harm=(
        "On SQLite the dispatcher picks the first message that is due, finds nothing that it could take a turn on, and "
        "puts it back, again and again: no orchestration of the store runs any more. On PostgreSQL it throws the "
        "message away and leaves an execution without an instance behind (E007)."
    ),
    how_to_look=(
        "SELECT q.instance_id, q.id, q.created_at, q.work_item FROM orchestrator_queue q "
        "WHERE q.work_item NOT LIKE '{\"QueueMessage\":%' "
        "AND NOT EXISTS (SELECT 1 FROM instances i WHERE i.instance_id = q.instance_id) "
        "AND NOT EXISTS (SELECT 1 FROM orchestrator_queue s WHERE s.instance_id = q.instance_id "
        "AND (s.work_item LIKE '{\"StartOrchestration\":%' OR s.work_item LIKE '{\"ContinueAsNew\":%'));"
    ),
    false_alarms=(
        "An event that was raised too early, for an instance that will be started later than --race-window: it blocks "
        "all others until then. A QueueMessage is no finding, for the engine throws one away that came too early; nor "
        "is a message for an instance whose row is gone and whose history is there (E007), for the engine goes by "
        "that."
    ),
    example=(
        "An event was raised to an instance that a clean-up had deleted; a worker finished an activity of an instance "
        "that had been deleted by hand. The engine does it by itself, too (0.1.28 and 0.2.2 alike): where an "
        "orchestration is cancelled in the very turn in which it schedules a child, the child's start is dropped with "
        "the turn's other messages, and the child's CancelInstance is sent all the same, to nobody."
    ),
    repair="park-message",
    questions=frozenset({Evidence.instance, Evidence.turn}),
)

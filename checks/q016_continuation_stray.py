from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.arrivals import ARRIVALS, RUNNING, ArrivalFacts


def _cause(facts: ArrivalFacts) -> str:
    return "execution-runs" if facts.follows.observed == RUNNING else "told-twice"


CHECK = Check(
    id="Q016",
    name="continuation-stray",
    title="A message begins an execution that is not to begin",
    severity=Severity.critical,
    level=Level.quick,
    flavours=BOTH,
    relation=ARRIVALS,
    violated=lambda message: message.continues,
    expects=lambda facts: [facts.follows],
    cause=_cause,
    message="it follows {observed[follows]}, not {expected[follows]}",
    asserts=(
        "A ContinueAsNew message waits only where the current execution has ended in OrchestrationContinuedAsNew, and "
        "there is one of them: the ack that ends the execution queues it, and the ack that begins the next one takes "
        "it away. Once an instance has completed or failed, the engine drops what is left."
    ),
    harm=(
        "The engine begins one more execution, whatever the current one is doing. That one stays Running for good, its "
        "work is forgotten, and what it did is done again from the message's input. Of two messages that are due at "
        "the same time the engine drops the second; of two that are not, the second does this."
    ),
    how_to_look=(
        "SELECT q.instance_id, q.id, q.work_item FROM orchestrator_queue q JOIN instances i "
        "ON i.instance_id = q.instance_id JOIN executions e ON e.instance_id = i.instance_id "
        "AND e.execution_id = i.current_execution_id WHERE q.work_item LIKE '{\"ContinueAsNew\"%' "
        "AND (e.status = 'Running' OR EXISTS (SELECT 1 FROM orchestrator_queue o WHERE o.instance_id = q.instance_id "
        "AND o.id < q.id AND o.work_item LIKE '{\"ContinueAsNew\"%'));"
    ),
    false_alarms=(
        "None is known. Where the history of the current execution cannot be read, nothing is said of the message."
    ),
    example="A queue came back from a backup that is older than the history; a message was inserted twice by hand.",
    repair="park-message",
    questions=frozenset({Evidence.history, Evidence.executions, Evidence.queue, Evidence.turn}),
)

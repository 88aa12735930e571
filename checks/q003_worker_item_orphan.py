from holystone.scan.check import BOTH, Check, Level, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.worker_items import OUTSTANDING, WORKER_ITEMS, WorkerItemFacts


def _cause(facts: WorkerItemFacts) -> str | None:
    return None if facts.fate == OUTSTANDING else facts.fate


CHECK = Check(
    id="Q003",
    name="worker-item-orphan",
    title="An activity waits that no execution waits for",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=WORKER_ITEMS,
    violated=lambda item: item.in_doubt,
    expects=lambda facts: [facts.activity],
    cause=_cause,
    message="an activity is to be run that is {observed[activity]}",
    asserts=(
        "Each activity in worker_queue was scheduled by an event of an execution that is there, and has not come to an "
        "end: the ack that writes the one writes the other, and an execution that ends takes out of the queue what it "
        "still had outstanding."
    ),
    harm=(
        "A worker runs the activity, whatever it does to the world, once too often. Then it tells an instance that "
        "does not exist (instance-gone), which on SQLite halts the store (Q001), or an execution that never asked for "
        "it (never-scheduled), which the engine fails as nondeterministic."
    ),
    how_to_look=(
        "SELECT w.instance_id, w.execution_id, w.activity_id, w.id, e.status, h.event_data FROM worker_queue w "
        "LEFT JOIN executions e ON e.instance_id = w.instance_id AND e.execution_id = w.execution_id "
        "LEFT JOIN history h ON h.instance_id = w.instance_id AND h.execution_id = w.execution_id "
        "AND h.event_id = w.activity_id WHERE e.status IS NULL OR e.status <> 'Running' OR h.event_data IS NULL "
        'OR h.event_data NOT LIKE \'%"type":"ActivityScheduled"%\';'
    ),
    false_alarms=(
        "None is known. What an execution leaves behind that the engine failed as poisoned, or for a turn that could "
        "not be stored, is passed over, though the query shows it: no event says that these activities are over, and "
        "they are run to no effect. Activities of executions that still run are only looked at where the event that "
        "scheduled them is missing."
    ),
    example="Instances were deleted by hand from instances, executions and history, and the queues were forgotten.",
    repair="park-message",
    questions=frozenset({Evidence.turn}),
)

from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.histories import HISTORIES

CHECK = Check(
    id="H002",
    name="history-no-start",
    title="A history does not begin with its start",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=HISTORIES,
    violated=lambda history: not_(history.begins_with_start),
    expects=lambda facts: [facts.first_type],
    cause=no_cause,
    message="its first event is {observed[first_type]}, not {expected[first_type]}",
    asserts=(
        "The first event of an execution is OrchestrationStarted, which holds the name, the version, the input and "
        "the parent: the engine writes it in the first turn, before anything else."
    ),
    harm=(
        "Which orchestration it was, and with what input, is lost. The engine fails the execution at its next turn, as "
        "corrupted, and can tell no parent of it."
    ),
    how_to_look=(
        "SELECT h.instance_id, h.execution_id, h.event_id, h.event_data FROM history h WHERE h.event_id = "
        "(SELECT min(f.event_id) FROM history f WHERE f.instance_id = h.instance_id "
        'AND f.execution_id = h.execution_id) AND h.event_data NOT LIKE \'%"type":"OrchestrationStarted"%\';'
    ),
    false_alarms=(
        "None is known. Where the first turn of an execution cannot be stored, the engine fails the execution with one "
        "event and nothing before it: the SQL above shows that, this check does not. A first event that cannot be "
        "read is reported by H005, one of a type that is not known here by H009."
    ),
    example="The oldest rows of history were deleted by created_at, and with them the starts of long executions.",
    repair=NoRepair("name, version and input of the start can only come from a backup"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.boundary_events,
)

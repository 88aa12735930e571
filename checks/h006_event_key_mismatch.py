from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.events import EVENTS

CHECK = Check(
    id="H006",
    name="event-key-mismatch",
    title="An event holds other ids than its row",
    severity=Severity.error,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: facts.ids,
    cause=no_cause,
    message="inside, it is event {observed[event_id]} of {observed[instance_id]!r}, execution {observed[execution_id]}",
    asserts="The ids inside event_data are those of the row's key: the engine writes both from the same event.",
    harm=(
        "The engine orders events by the row and goes by the event_id inside: completions find another event than "
        "theirs or none, and new events are numbered on from a wrong one. A foreign instance_id or execution_id "
        "says that the event belongs to another history."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, execution_id, event_id, event_data FROM history WHERE json_valid(event_data) "
            "AND (json_extract(event_data, '$.event_id') <> event_id "
            "OR json_extract(event_data, '$.instance_id') <> instance_id "
            "OR json_extract(event_data, '$.execution_id') <> execution_id);"
        ),
        "postgresql": (
            "SELECT instance_id, execution_id, event_id, event_data FROM history WHERE event_data "
            "NOT LIKE '{\"event_id\":' || event_id || ',%' OR strpos(event_data, '\"instance_id\":' "
            "|| to_json(instance_id) || ',\"execution_id\":' || execution_id || ',') = 0;"
        ),
    },
    false_alarms=(
        "None is known; the SQL above shows two more, which the engine itself writes. Before 0.1.30 the "
        "OrchestrationFailed that ends an execution names no instance and execution 0. The failure of a first turn "
        "that could not be stored, after continue-as-new, names the execution before."
    ),
    example="History was copied from one instance to another by SQL, to replay it.",
    repair=NoRepair("the row or the event may be the wrong one, and each is somebody's history"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.full_history,
)

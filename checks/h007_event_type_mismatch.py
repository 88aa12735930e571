from holystone.scan.check import Check, Level, Proof, Severity, any_row, no_cause
from holystone.scan.relations.events import EVENTS

CHECK = Check(
    id="H007",
    name="event-type-mismatch",
    title="The column event_type is not the event's type",
    severity=Severity.warning,
    level=Level.deep,
    flavours=frozenset({"sqlite"}),
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [facts.event_type],
    cause=no_cause,
    message="its event_type is {observed[event_type]!r}, its event_data says {expected[event_type]}",
    asserts=(
        "On SQLite history.event_type is a copy of the type inside event_data. On PostgreSQL it is the word Event in "
        "every row, by design."
    ),
    harm=(
        "The engine goes by event_data, but queries and dashboards go by the column: they count an end, or a failure, "
        "that did not happen. The backfill that was published for stale statuses believed it, too."
    ),
    how_to_look=(
        "SELECT instance_id, execution_id, event_id, event_type, event_data FROM history "
        "WHERE instr(event_data, '\"type\":\"' || event_type || '\"') = 0;"
    ),
    false_alarms="None is known. Events that cannot be read, or are of a type that is not known here, are passed over.",
    example="An event was edited by hand, and its column was forgotten.",
    repair="retype-event",
    questions=frozenset(),
    proved_by=Proof.full_history,
)

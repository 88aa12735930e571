from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, derived, no_cause
from holystone.scan.relations.events import EVENTS
from holystone.store.events import EVENT_TYPES

CHECK = Check(
    id="H009",
    name="event-type-unknown",
    title="An event is of a type that is not known here",
    severity=Severity.info,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=lambda event: event.is_suspect,
    expects=derived("type"),
    cause=no_cause,
    message="its type is {observed[type]!r}, which this version does not know",
    asserts=f"The type of each event is one of the {len(EVENT_TYPES)} that the newest engine known here writes.",
    harm=(
        "Most likely a newer engine wrote it, and other checks pass over the execution. An older engine that works on "
        "the same store cannot read it: it fails the instance after ten attempts."
    ),
    how_to_look={
        "sqlite": (
            "SELECT json_extract(event_data, '$.type') AS type, count(*), min(instance_id) FROM history "
            "WHERE json_valid(event_data) GROUP BY type;"
        ),
        "postgresql": (
            "SELECT split_part(split_part(event_data, '\"type\":\"', 2), '\"', 1) AS type, count(*), "
            "min(instance_id) FROM history GROUP BY type;"
        ),
    },
    false_alarms="A newer holystone may know the type.",
    example="Half of the workers were upgraded to a newer engine, and wrote to the store that all share.",
    repair=NoRepair("only a newer version knows what the event says"),
)

from holystone.duroxide.event_types import EVENT_TYPES
from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, any_row, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.events import EVENTS

_NAMES = ", ".join(f"'{kind}'" for kind in sorted(EVENT_TYPES))

CHECK = Check(
    id="H009",
    name="event-type-unknown",
    title="An event is of a type that is not known here",
    severity=Severity.info,
    level=Level.deep,
    flavours=BOTH,
    relation=EVENTS,
    violated=any_row,
    expects=lambda facts: [facts.known_type],
    cause=no_cause,
    message="its type is {observed[type]!r}, which this version does not know",
    asserts=f"The type of each event is one of the {len(EVENT_TYPES)} that the newest engine known here writes.",
    harm=(
        "Most likely a newer engine wrote it, and other checks pass over the execution. An older engine that works on "
        "the same store cannot read it: it fails the instance after ten attempts."
    ),
    how_to_look={
        "sqlite": (
            "SELECT instance_id, execution_id, event_id, json_extract(event_data, '$.type') FROM history "  # noqa: S608
            "WHERE CASE WHEN json_valid(event_data) "
            f"THEN json_extract(event_data, '$.type') NOT IN ({_NAMES}) ELSE 0 END;"
        ),
        "postgresql": (
            "SELECT instance_id, execution_id, event_id, event_data FROM history "  # noqa: S608 (constants)
            f"WHERE split_part(split_part(event_data, '\"type\":\"', 2), '\"', 1) NOT IN ('', {_NAMES});"
        ),
    },
    false_alarms="A newer holystone may know the type.",
    example="Half of the workers were upgraded to a newer engine, and wrote to the store that all share.",
    repair=NoRepair("only a newer version knows what the event says"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.full_history,
)

from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.relations.start_events import START_EVENTS

_DIAGNOSIS = (
    "SELECT i.instance_id, i.orchestration_name, i.orchestration_version, h.event_data FROM instances i "
    "JOIN history h ON h.instance_id = i.instance_id AND h.execution_id = i.current_execution_id AND h.event_id = 1 "
    "WHERE {name} <> i.orchestration_name OR {version} <> coalesce(i.orchestration_version, '');"
)

CHECK = Check(
    id="I004",
    name="name-mismatch",
    title="Name or version is not the start event's",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=START_EVENTS,
    violated=lambda instance: not_(instance.name_surely_agrees),
    expects=lambda facts: [facts.orchestration_name, facts.orchestration_version],
    cause=no_cause,
    message=(
        "the row says {observed[orchestration_name]!r} {observed[orchestration_version]!r}, its start event says "
        "{expected[orchestration_name]!r} {expected[orchestration_version]!r}"
    ),
    asserts=(
        "instances.orchestration_name and orchestration_version are those of the event that began the current "
        "execution. The ack of each execution's first turn writes them, so they follow a chain that continues as "
        "another version; what was never resolved says unknown in both places."
    ),
    harm=(
        "Turns go by the event, but lists, dashboards and the engine's management API go by the row: the instance "
        "is counted as something else, and whoever looks for what still runs an old version does not find it."
    ),
    how_to_look={
        "sqlite": _DIAGNOSIS.format(
            name="CASE WHEN json_valid(h.event_data) THEN json_extract(h.event_data, '$.name') END",
            version="CASE WHEN json_valid(h.event_data) THEN json_extract(h.event_data, '$.version') END",
        ),
        "postgresql": _DIAGNOSIS.format(
            name="""substring(h.event_data from '"name":"([^"]*)"')""",
            version="""substring(h.event_data from '"version":"([^"]*)"')""",
        ),
    },
    false_alarms="None is known. Where the current execution has no start event that can be read, nothing is said.",
    example="Orchestrations were renamed by an UPDATE of instances, when they were renamed in the program.",
    repair="restore-name",
    questions=frozenset(),
    proved_by=Proof.boundary_events,
)

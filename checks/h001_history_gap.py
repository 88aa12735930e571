from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.histories import HISTORIES

CHECK = Check(
    id="H001",
    name="history-gap",
    title="Event ids of a history have a gap",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=HISTORIES,
    violated=lambda history: not_(history.is_numbered_through),
    expects=lambda facts: [facts.event_ids],
    cause=no_cause,
    message="its event ids are {observed[event_ids]}, not {expected[event_ids]}",
    asserts=(
        "The events of an execution are numbered 1, 2, 3 and so on without a gap: each turn numbers on from the last "
        "event that it fetched, and its ack writes all of its events or none."
    ),
    harm=(
        "Events are gone, and with them what the orchestration did. As soon as it goes on, the engine replays it "
        "without them and fails it as nondeterministic, or has it do again what it has done."
    ),
    how_to_look=(
        "SELECT instance_id, execution_id, count(*), min(event_id), max(event_id) FROM history "
        "GROUP BY instance_id, execution_id HAVING min(event_id) <> 1 OR max(event_id) <> count(*);"
    ),
    false_alarms=(
        "None is known; the SQL above shows two more, which are no gaps. A history that cannot be read is failed by "
        "the engine with an event 99999, and an execution whose first turn could not be stored consists of that "
        "failure alone, numbered on from the execution before."
    ),
    example="Rows of history were deleted by hand to make room; a copy of the table was cut off.",
    repair=NoRepair("events that are gone can only come from a backup"),
    questions=frozenset({Evidence.history, Evidence.turn}),
    proved_by=Proof.boundary_events,
)

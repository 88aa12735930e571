from sqlalchemy import not_

from holystone.duroxide.event_types import FAILED
from holystone.scan.check import BOTH, Check, Level, Proof, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS, ExecutionFacts


def _cause(facts: ExecutionFacts) -> str:
    if not facts.has_history:
        return "ghost"
    failed = facts.outcome is not None and facts.outcome.status == FAILED
    # Its only event is its end: no turn was ever stored.
    return "first-turn-unstored" if failed and facts.last_event_id == 1 else "instance-lost"


CHECK = Check(
    id="E007",
    name="execution-orphan",
    title="An execution has no instance",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=EXECUTIONS,
    violated=lambda execution: not_(execution.instance_exists),
    expects=lambda facts: [facts.instance],
    cause=_cause,
    message="there is no row in instances for it",
    asserts="Each execution belongs to a row of instances: the ack that creates the one creates the other.",
    harm="No API of the engine lists it or deletes it; where it has history, a whole instance is out of reach.",
    how_to_look=(
        "SELECT e.* FROM executions e LEFT JOIN instances i ON i.instance_id = e.instance_id "
        "WHERE i.instance_id IS NULL;"
    ),
    false_alarms=(
        "None: it is drift, but the engine makes it too. On PostgreSQL a message to an instance which does not exist, "
        "such as an event that is raised, leaves such a row, Running and without history, for good; on SQLite it "
        "blocks the dispatcher (Q001). On both flavours, up to 0.1.32, an instance whose first turn cannot be stored "
        '(on SQLite "database is locked", six times in a row, is enough) leaves an execution that is Failed, with one '
        "event, its failure, and no instance: the cause first-turn-unstored. It was never run and its input is in no "
        "row any more, so start it again, under another id: no start of the same one can be stored beside "
        "these rows. A parent that waits for it is reported by I007 or I009."
    ),
    example=(
        "A row of instances deleted by hand; or a ghost of the engine on PostgreSQL: of an event that came too early, "
        "or of a child that never was. Where an orchestration is cancelled in the very turn in which it schedules a "
        "child, the engine (0.1.28 and 0.2.2 alike) drops the child's start with the turn's other messages, and sends "
        "the child's CancelInstance all the same."
    ),
    repair="remove-ghost",
    questions=frozenset({Evidence.instance, Evidence.turn}),
    proved_by=Proof.boundary_events,
)

from sqlalchemy import and_, not_

from holystone.scan.check import Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.executions import EXECUTIONS

CHECK = Check(
    id="E005",
    name="completed-at-format",
    title="completed_at is not in milliseconds",
    severity=Severity.error,
    level=Level.quick,
    flavours=frozenset({"sqlite"}),
    relation=EXECUTIONS,
    violated=lambda execution: and_(
        execution.completed_at.is_not(None),
        not_(execution.flavour.completed_at_well_formed(execution.completed_at)),
        execution.ended,
    ),
    expects=lambda facts: [facts.completed_at],
    cause=no_cause,
    message="completed_at is {observed[completed_at]!r}, no count of milliseconds",
    asserts=(
        "On SQLite executions.completed_at is an INTEGER, in milliseconds since the epoch. The column is declared "
        "TIMESTAMP and takes anything; PostgreSQL's timestamptz cannot go wrong in this way."
    ),
    harm=(
        "In SQLite any text sorts above any number, so completed_before never matches the execution and it is kept "
        "for ever; a count of seconds looks like 1970, so it is deleted at once."
    ),
    how_to_look=(
        "SELECT instance_id, execution_id, completed_at, typeof(completed_at) FROM executions "
        "WHERE completed_at IS NOT NULL AND (typeof(completed_at) <> 'integer' "
        "OR completed_at NOT BETWEEN 100000000000 AND 100000000000000);"
    ),
    false_alarms=(
        "An engine whose clock stood before 1973 or after 5138. A store of an engine before 0.1.9, which wrote text "
        "and compared it with nothing, is passed over until a newer engine has migrated it."
    ),
    example="Engines before 0.1.9 wrote CURRENT_TIMESTAMP, a TEXT such as '2025-10-10 08:00:00', and were upgraded.",
    repair="restore-completed-at",
    questions=frozenset({Evidence.executions}),
    proved_by=Proof.boundary_events,
)

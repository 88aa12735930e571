from sqlalchemy import not_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.pins import PINS

_DIAGNOSIS = (
    "SELECT e.instance_id, e.execution_id, e.duroxide_version_major, e.duroxide_version_minor, "
    "e.duroxide_version_patch, h.event_data FROM executions e JOIN instances i ON i.instance_id = e.instance_id "
    "AND i.current_execution_id = e.execution_id JOIN history h ON h.instance_id = e.instance_id "
    "AND h.execution_id = e.execution_id AND h.event_id = 1 WHERE e.status NOT IN ('Completed', 'Failed') "
    "AND coalesce(e.duroxide_version_major, e.duroxide_version_minor, e.duroxide_version_patch) IS NOT NULL "
    "AND h.event_data NOT LIKE '%\"duroxide_version\":\"' || coalesce(CAST(e.duroxide_version_major AS TEXT), '-') "
    "|| '.' || coalesce(CAST(e.duroxide_version_minor AS TEXT), '-') || '.' "
    "|| coalesce(CAST(e.duroxide_version_patch AS TEXT), '-') || '\"%';"
)

CHECK = Check(
    id="E009",
    name="version-mismatch",
    title="An execution is pinned to a version of the engine that did not begin it",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=PINS,
    violated=lambda execution: not_(execution.surely_agrees),
    expects=lambda facts: facts.pinned,
    cause=no_cause,
    message=(
        "it is pinned to {observed[duroxide_version_major]}.{observed[duroxide_version_minor]}."
        "{observed[duroxide_version_patch]}, and was begun by {expected[duroxide_version_major]}."
        "{expected[duroxide_version_minor]}.{expected[duroxide_version_patch]}"
    ),
    asserts=(
        "duroxide_version_major, duroxide_version_minor and duroxide_version_patch of a current execution that has not "
        "completed or failed are the duroxide_version of its start event, or NULL, all three. The ack of its first "
        "turn writes them; engines before 0.1.17 wrote none."
    ),
    harm=(
        "A dispatcher fetches what is pinned to a version from 0.0.0 up to its own, and what is not pinned, which is "
        "what duroxide_version_major is NULL of. With a negative number, a minor or patch that is NULL beside a major "
        "number, or a version beyond the engine's, it never fetches the instance again: all messages for it wait for "
        "good. With one that is too low, or NULL in the place of the major number, an older engine fetches it, cannot "
        "go on, and fails it after ten attempts. On PostgreSQL the engine makes one integer of the three: major times "
        "a million, minor times a thousand, and patch. Where that is 2147483648 or more, every fetch fails as soon as "
        "a message for the instance is the next one, and no orchestration of the whole store goes on until the version "
        "is put right."
    ),
    how_to_look=_DIAGNOSIS,
    false_alarms="None is known. Where the execution has no start event that can be read, nothing is said.",
    example="An UPDATE lifted all executions to the version of an engine that was to be deployed, and was not.",
    repair="restore-version",
    questions=frozenset({Evidence.turn}),
    proved_by=Proof.boundary_events,
)

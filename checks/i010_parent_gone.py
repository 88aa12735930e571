from sqlalchemy import and_

from holystone.scan.check import BOTH, Check, Level, NoRepair, Proof, Severity, no_cause
from holystone.scan.relations.start_events import PARENT_IN_SQL, START_EVENTS

# Whatever start event names a parent tells, and so does the first one where it names none.
_DIAGNOSIS = (
    "SELECT i.instance_id, {parent} AS parent FROM instances i JOIN executions e ON e.instance_id = i.instance_id "
    "AND e.execution_id = i.current_execution_id JOIN history h ON h.instance_id = i.instance_id AND h.event_id = 1 "
    "WHERE e.status = 'Running' AND i.parent_instance_id IS NULL AND {parent} IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM instances p WHERE p.instance_id = {parent}) "
    "AND NOT EXISTS (SELECT 1 FROM history a WHERE a.instance_id = {parent});"
)

CHECK = Check(
    id="I010",
    name="parent-gone",
    title="A child runs whose parent is gone",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=START_EVENTS,
    violated=lambda instance: and_(instance.is_root, instance.began_as_child),
    expects=lambda facts: [facts.answers_to],
    cause=no_cause,
    message="it will answer to {expected[answers_to]!r} when it ends, and nothing is left of that instance",
    asserts=(
        "The parent that the start event of a running child names is an instance, also where the child's row names "
        "none. I005 tells of rows that still name a parent that is gone."
    ),
    harm=(
        "When the child ends, its last turn queues the answer to its parent. No instance gets that message: on SQLite "
        "it halts the dispatcher for the whole store (Q001), on PostgreSQL it stays in the queue."
    ),
    how_to_look={flavour: _DIAGNOSIS.format(parent=parent) for flavour, parent in PARENT_IN_SQL.items()},
    false_alarms=(
        "None is known. Of a chain that was begun by an engine before 0.1.30 the first event alone names the parent, "
        "and may be pruned: of those nothing is said."
    ),
    example="A parent was deleted by hand, and its child was made a root so that it could be deleted as well.",
    repair=NoRepair(
        "only who knows the orchestration can say whether the child should go on: let the engine delete it by force, "
        "as a root of its own, before it ends, or restore its parent from a backup"
    ),
    questions=frozenset(),
    proved_by=Proof.boundary_events,
)

from sqlalchemy import not_, or_

from holystone.scan.check import BOTH, Check, Level, Proof, Severity
from holystone.scan.relations.start_events import PARENT_IN_SQL, START_EVENTS, StartFacts

# Whatever start event names a parent tells, and so does the first one where it names none.
_DIAGNOSIS = (
    "SELECT i.instance_id, i.parent_instance_id, h.execution_id, h.event_data FROM instances i "
    "JOIN history h ON h.instance_id = i.instance_id AND h.event_id = 1 WHERE ((h.execution_id = 1 "
    "OR {parent} IS NOT NULL) AND coalesce({parent}, '') <> coalesce(i.parent_instance_id, '')) OR "
    "(i.parent_instance_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM instances p "
    "WHERE p.instance_id = i.parent_instance_id));"
)


def _cause(facts: StartFacts) -> str:
    if facts.parent_deleted:
        return "parent-deleted"
    return "not-linked" if facts.parent_instance_id.observed is None else "linked-wrongly"


CHECK = Check(
    id="I005",
    name="parent-mismatch",
    title="The row names another parent than the events, or one that is gone",
    severity=Severity.error,
    level=Level.standard,
    flavours=BOTH,
    relation=START_EVENTS,
    violated=lambda instance: or_(not_(instance.parent_surely_agrees), instance.parent_is_no_instance),
    expects=lambda facts: [facts.parent_instance_id],
    cause=_cause,
    message="its parent is {observed[parent_instance_id]!r}, and should be {expected[parent_instance_id]!r}",
    asserts=(
        "instances.parent_instance_id is the parent that the start event names, and that parent is an instance. The "
        "first ack writes it for good. A delete takes a parent with all its children."
    ),
    harm=(
        "The engine deletes whole families by this column, and does not ask whether a child still runs when the root "
        "has ended: under a wrong parent a live instance goes with a stranger, without one it stays behind. A child "
        "whose parent is gone can be deleted by no API at all: the engine refers to the root, and finds none."
    ),
    how_to_look={flavour: _DIAGNOSIS.format(parent=parent) for flavour, parent in PARENT_IN_SQL.items()},
    false_alarms=(
        "None: it is drift, but the engine makes one kind itself. On PostgreSQL a parent that is deleted while the "
        "start of a child is still queued leaves that child without it (parent-deleted). A child that was made a root "
        "because its parent is gone is left alone; so is one whose parent's history is still there: E007 tells of it."
    ),
    example="Instances were copied to another store without the column, and all children became roots.",
    repair="restore-parent",
    questions=frozenset(),
    proved_by=Proof.boundary_events,
)

from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity
from holystone.scan.relations.toolkit_objects import TOOLKIT_OBJECTS, ToolkitFacts


def _cause(facts: ToolkitFacts) -> str:
    return "revision-pending" if not facts.lacking.differs else "object-missing"


CHECK = Check(
    id="S002",
    name="toolkit-schema-behind",
    title="Holystone's own objects in the store are missing or old",
    severity=Severity.warning,
    level=Level.quick,
    flavours=BOTH,
    relation=TOOLKIT_OBJECTS,
    violated=lambda store: store.is_there,
    expects=lambda facts: [facts.pending, facts.lacking],
    cause=_cause,
    message="pending revisions: {observed[pending]}; missing objects: {observed[lacking]}",
    asserts=(
        "Where holystone_migrations records a revision, the tables, columns and indexes of all revisions up to it are "
        "there, with the types, NOT NULL and primary keys that these gave them, and it is the newest one. A store "
        "without holystone's tables is as it should be, and so is one that has the journal alone (t0001), which is all "
        "that a repair makes."
    ),
    harm=(
        "The engine does not notice. Without a table or a column of the journal no repair is applied or undone; "
        "without the table of watermarks --since is refused, and without the index lists of executions by status read "
        "the whole table."
    ),
    how_to_look="SELECT version_num FROM holystone_migrations WHERE version_num LIKE 't%';",
    false_alarms=(
        "A store that was deliberately left at an older revision, by migrate upgrade --to or migrate downgrade. While "
        "an upgrade is running on PostgreSQL, what it has yet to do is pending. Passed over are a store that a newer "
        "version of holystone upgraded, and one whose holystone_migrations the role may not read. With --instance the "
        "check is skipped."
    ),
    example=(
        "Holystone was upgraded, and nobody ran migrate upgrade; a migration of the engine made the table executions "
        "anew, and the index on it went with the old one."
    ),
    repair=NoRepair(
        "it is no row that is wrong: `holystone migrate upgrade TARGET` runs the pending revisions and builds a "
        "missing index again; a missing table or column comes back from a backup alone, for its rows are gone with it"
    ),
    questions=frozenset(),
)

from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import EVERYTHING
from holystone.scan.relations.objects import DAMAGES

CHECK = Check(
    id="S009",
    name="database-damaged",
    title="The database itself is damaged: an index and its table do not say the same",
    severity=Severity.critical,
    level=Level.deep,
    flavours=BOTH,
    relation=DAMAGES,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[damaged]}: {observed[state]}",
    asserts=(
        "On SQLite, PRAGMA integrity_check finds nothing. On PostgreSQL, bt_index_check of the extension amcheck finds "
        "nothing in the B-tree indexes of the engine's tables, where it is installed and the role may run it; and "
        "each index that the planner chooses for its columns has as many rows as its table, the same ones, and in the "
        "order of today's collation. A page of a table that reads as zeros is an empty one to PostgreSQL: an index "
        "tells of its rows only where VACUUM had marked the page all-visible and nobody has looked for them since."
    ),
    harm=(
        "The engine finds its rows through indexes: it misses events that are there, takes an ended history for a "
        "live one, or writes a row twice where a unique index does not hold it back. And no finding about rows can be "
        "relied on."
    ),
    how_to_look={
        "sqlite": "PRAGMA integrity_check;",
        "postgresql": (
            "CREATE EXTENSION IF NOT EXISTS amcheck; SELECT indexrelid::regclass, bt_index_check(indexrelid, true) "
            "FROM pg_index JOIN pg_class t ON t.oid = indrelid WHERE t.relnamespace = current_schema()::regnamespace;"
        ),
    },
    false_alarms="None known. With --instance the check is skipped.",
    example=(
        "A file copied while the engine wrote to it; a failing disk; a new C library of the system, which changed "
        "the order of a collation under PostgreSQL's indexes on text."
    ),
    repair=NoRepair(
        "only the database itself can: REINDEX where indexes alone are named (after a new C library, of the whole "
        "database, then ALTER DATABASE ... REFRESH COLLATION VERSION); a damaged table is restored from a backup, or "
        "taken out with sqlite3's .recover. Until then no repair is safe"
    ),
    questions=EVERYTHING,
)

from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.schemas import SCHEMA, SchemaFacts

CHECK = Check(
    id="S001",
    name="schema-unknown",
    title="The engine's schema is none that is known here",
    severity=Severity.error,
    level=Level.quick,
    flavours=BOTH,
    relation=SCHEMA,
    violated=lambda store: store.is_there,
    expects=lambda facts: [facts.schema] if isinstance(facts, SchemaFacts) else [],
    cause=lambda facts: "altered",
    message="unlike {expected[schema]}, {observed[schema]}",
    asserts=(
        "The engine's tables are those of one of its migrations, or of the shape that it makes by hand on SQLite when "
        "a migration fails: ordinary tables that are logged, with the same columns (type, nullability, default, "
        "collation), keys, checks, foreign keys (those of others' tables to them, too), indexes, sequences of the "
        "same schema and conflict clauses, without parents or children and with a replica identity where they are "
        "published; and on PostgreSQL the functions. Its ledger, _sqlx_migrations or _duroxide_migrations, names all "
        "of its migrations up to that one, each as done. Tables and indexes that others have added are no fault here; "
        "what can do harm to the engine's writes S003 tells."
    ),
    harm=(
        "The engine's statements and every other check rest on this schema: without a column or a function they fail, "
        "without an index they read whole tables, without a key or a default they write rows that no engine expects. "
        "Where the ledger does not go with the tables, the harm comes when the engine is next started: on SQLite its "
        "migrations fail without a word, and no later one ever reaches the store; on PostgreSQL 0.2.2 refuses it."
    ),
    how_to_look={
        "sqlite": (
            "SELECT tbl_name, type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'holystone%' "
            "ORDER BY tbl_name, type DESC, name;"
        ),
        "postgresql": (
            "SELECT table_name, 'column' AS type, column_name AS name, "
            "concat_ws(' ', data_type, CASE is_nullable WHEN 'NO' THEN 'not null' END, 'default ' || column_default) "
            "AS declared FROM information_schema.columns WHERE table_schema = current_schema() "
            "UNION ALL SELECT tablename, 'index', indexname, indexdef FROM pg_indexes "
            "WHERE schemaname = current_schema() ORDER BY 1, 2, 3;"
        ),
    },
    false_alarms=(
        "Where the ledger goes on after the last migration that this version knows, S006 says so, and the schema is "
        "not judged. A store that lacks a table or a column which every engine has had is "
        "refused before any check runs, and one whose differences make a statement of another check fail is reported "
        "as incomplete: both are exit status 2. With --instance the check is skipped."
    ),
    example=(
        "A DBA dropped an index that looked unused; a restore left the rows of the engine's ledger out; a column was "
        "given another type by hand."
    ),
    repair=NoRepair(
        "what the engine's tables should be is for the engine's own migrations to say; `holystone migrate status "
        "TARGET` lists all that differs, which is undone by hand or by restoring the schema from a backup"
    ),
    questions=frozenset({Evidence.store}),
)

from holystone.scan.check import Check, Level, NoRepair, Severity
from holystone.scan.evidence import Evidence
from holystone.scan.relations.objects import ObjectFacts, object_of
from holystone.scan.relations.schemas import SCHEMA, SCHEMA_NAMED

CHECK = Check(
    id="S004",
    name="schema-misnamed",
    title="The engine's functions work on another schema than the one they are in",
    severity=Severity.critical,
    level=Level.quick,
    flavours=frozenset({"postgresql"}),
    relation=SCHEMA,
    violated=lambda store: store.is_there,
    expects=object_of(SCHEMA_NAMED),
    cause=lambda facts: facts.cause if isinstance(facts, ObjectFacts) else None,
    message="the schema {observed[schema_named]} is {observed[state]} of this one",
    asserts=(
        "The engine's functions name its tables with a schema, written into their text when they were made. It is the "
        "schema that they are in."
    ),
    harm=(
        "Where that schema does not exist (schema-renamed), every call of the engine fails. Where it does "
        "(schema-copied), the engine reads and writes the rows of the other store, and this one stands still."
    ),
    how_to_look=(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace "
        "AND position(quote_ident(current_schema()) || '.' IN prosrc) = 0 ORDER BY proname;"
    ),
    false_alarms="None known. With --instance the check is skipped.",
    example=(
        "ALTER SCHEMA duro RENAME TO blue, to make room for a restore: PostgreSQL does not look into the text of "
        "functions."
    ),
    repair=NoRepair(
        "ALTER SCHEMA ... RENAME TO gives the schema the name back that its functions have; a copy is made with "
        "pg_dump and restored under its own name, for no program can tell which of two stores is wanted"
    ),
    questions=frozenset({Evidence.store}),
)

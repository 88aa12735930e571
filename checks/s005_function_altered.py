from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.objects import object_of
from holystone.scan.relations.schemas import FUNCTION, SCHEMA

CHECK = Check(
    id="S005",
    name="function-altered",
    title="A function of the engine's is not the one that the engine made",
    severity=Severity.error,
    level=Level.quick,
    flavours=frozenset({"postgresql"}),
    relation=SCHEMA,
    violated=lambda store: store.is_there,
    expects=object_of(FUNCTION),
    cause=no_cause,
    message="the function {observed[function]} {observed[state]}",
    asserts=(
        "Each function of the engine's has the text, the arguments and the result that one of the published versions "
        "of its PostgreSQL provider gave it in the store's newest migration, is in PL/pgSQL and has no further "
        "properties (STRICT, SECURITY DEFINER, IMMUTABLE, SET search_path). There is no second function of the "
        "same name that the engine did not make. Comments and spaces do not count."
    ),
    harm=(
        "All that the engine writes goes through these functions: what they do differently, each turn does so. "
        "A second function of the same name can make a call ambiguous, which then fails."
    ),
    how_to_look=(
        "SELECT oid::regprocedure, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace ORDER BY 1;"
    ),
    false_alarms=(
        "A private build of the provider has functions of its own. Where the ledger goes on after the last migration "
        "that this version of holystone knows, functions are not judged (S006). With --instance the check is skipped."
    ),
    example="Somebody tuned fetch_orchestration_item by hand; a restore brought back an older version's functions.",
    repair=NoRepair(
        "the functions are the engine's own code: restore them from a backup of the schema (pg_dump --schema-only), or "
        "from the migrations of the provider's version"
    ),
    questions=frozenset({Evidence.store}),
)

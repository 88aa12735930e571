from holystone.scan.check import Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.objects import INDEXES

CHECK = Check(
    id="S008",
    name="index-unusable",
    title="PostgreSQL does not use an index of the engine's, or does not keep it up to date",
    severity=Severity.error,
    level=Level.quick,
    flavours=frozenset({"postgresql"}),
    relation=INDEXES,
    violated=lambda store: store.is_there,
    expects=lambda facts: facts.name_and_state,
    cause=no_cause,
    message="{observed[index]}: {observed[state]}",
    asserts=(
        "The indexes of the engine's tables, those of the primary keys among them, are valid, ready, live and "
        "immediate, as pg_index says."
    ),
    harm=(
        "An index that is not valid is not used: statements read whole tables, and what INSERT ... ON CONFLICT needs "
        "is missing, so that it fails. One that is not ready gets no new rows, and lies once it is set valid by hand."
    ),
    how_to_look=(
        "SELECT indexrelid::regclass, indrelid::regclass, indisvalid, indisready, indislive FROM pg_index "
        "WHERE NOT (indisvalid AND indisready AND indislive AND indimmediate);"
    ),
    false_alarms="An index that is being built again this moment. With --instance the check is skipped.",
    example="CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY that was interrupted.",
    repair=NoRepair("REINDEX INDEX builds it again, from the table; no row has to be changed"),
    questions=frozenset({Evidence.store}),
)

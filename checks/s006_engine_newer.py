from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.evidence import Evidence
from holystone.scan.relations.objects import object_of
from holystone.scan.relations.schemas import LEDGER, SCHEMA

CHECK = Check(
    id="S006",
    name="engine-newer",
    title="The store is of an engine that this version of holystone does not know",
    severity=Severity.info,
    level=Level.quick,
    flavours=BOTH,
    relation=SCHEMA,
    violated=lambda store: store.is_there,
    expects=object_of(LEDGER),
    cause=no_cause,
    message="the engine's ledger {observed[state]}, the last that holystone knows",
    asserts="The engine's ledger names no migration after the last one that this version of holystone knows.",
    harm=(
        "None to the engine. But what its schema should be, and what its functions should say, cannot be told, so S001 "
        "and S005 say nothing of it; and what other checks find may be right in the newer engine."
    ),
    how_to_look={
        "sqlite": "SELECT version, description FROM _sqlx_migrations ORDER BY version DESC LIMIT 3;",
        "postgresql": "SELECT version, name FROM _duroxide_migrations ORDER BY version DESC LIMIT 3;",
    },
    false_alarms="A private build of the engine with migrations of its own. With --instance the check is skipped.",
    example="The engine was upgraded, and holystone was not.",
    repair=NoRepair("a newer version of holystone knows the newer engine: python -m pip install --upgrade holystone"),
    questions=frozenset({Evidence.store}),
)

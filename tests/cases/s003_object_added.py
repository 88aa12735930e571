from cases.case import Case, Found, OnFlavour
from cases.objects import execute
from conftest import SCHEMA
from holystone.demo.scribe import Scribe

FUNCTION = "CREATE FUNCTION {} RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"


def healthy(scribe: Scribe) -> None:
    """What cannot hinder a write is no fault, and neither is holystone's own."""
    execute(scribe, "CREATE INDEX by_end ON executions (completed_at) WHERE status = 'Failed'")
    if scribe.flavour.name == "postgresql":
        execute(scribe, FUNCTION.format("holystone_guard()"))
        execute(scribe, "CREATE INDEX by_output ON executions USING hash (output)")
        for trigger in ("holystone_guard", "disabled", "replica"):
            execute(
                scribe,
                f"CREATE TRIGGER {trigger} BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION holystone_guard()",
            )
        execute(scribe, "ALTER TABLE history DISABLE TRIGGER disabled")
        execute(scribe, "ALTER TABLE history ENABLE REPLICA TRIGGER replica")
    else:
        execute(scribe, "CREATE INDEX by_output ON executions (output)")
        execute(scribe, "CREATE TRIGGER holystone_guard BEFORE INSERT ON history BEGIN SELECT 1; END")


def broken(scribe: Scribe) -> None:
    execute(scribe, "CREATE UNIQUE INDEX once ON instances (orchestration_name)")
    if scribe.flavour.name == "postgresql":
        execute(scribe, FUNCTION.format("swallow()"))
        execute(scribe, "CREATE TRIGGER swallow BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION swallow()")
    else:
        execute(scribe, "CREATE TRIGGER swallow BEFORE INSERT ON history BEGIN SELECT raise(IGNORE); END")


def found(name: str, sqlite: str, postgresql: str) -> Found:
    return Found(
        instance_id=None,
        execution_id=None,
        observed={"object": name, "state": OnFlavour(sqlite=sqlite, postgresql=postgresql)},
        expected={"object": name, "state": "none"},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found(
            "index once on instances",
            "CREATE UNIQUE INDEX once ON instances (orchestration_name): refuses rows that the engine may write twice",
            "btree (orchestration_name): refuses rows that the engine may write twice",
        ),
        found(
            "trigger swallow on history",
            "CREATE TRIGGER swallow BEFORE INSERT ON history BEGIN SELECT raise(IGNORE); END",
            f"BEFORE INSERT ON {SCHEMA}.history FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.swallow()",
        ),
    ],
    repaired=[],
    alters_schema=True,
)

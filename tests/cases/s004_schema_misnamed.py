from cases.case import Case, Found
from cases.objects import execute
from conftest import SCHEMA
from holystone.demo.scribe import Scribe


def healthy(scribe: Scribe) -> None:
    """Functions of others may name what they like."""
    execute(scribe, "CREATE FUNCTION report() RETURNS bigint LANGUAGE sql AS 'SELECT 1 /* other.instances */'")


def broken(scribe: Scribe) -> None:
    """Like a schema that was renamed: the functions name one that is not there."""
    execute(
        scribe,
        "DO $$ DECLARE f record; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE pronamespace ="
        " current_schema()::regnamespace AND proname IN ('ack_worker', 'fetch_work_item') LOOP EXECUTE"
        f" replace(replace(pg_get_functiondef(f.oid), '{SCHEMA}.', 'gone.'), 'FUNCTION gone.', 'FUNCTION {SCHEMA}.');"
        " END LOOP; END $$",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={"schema_named": "gone", "state": "named by 2 functions"},
            expected={"schema_named": "gone", "state": "named by none"},
            cause="schema-renamed",
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)

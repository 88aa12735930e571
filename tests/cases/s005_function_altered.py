from cases.case import Case, Found
from cases.objects import execute
from holystone.demo.scribe import Scribe

TEXT = "CREATE OR REPLACE FUNCTION {}(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$"


def healthy(scribe: Scribe) -> None:
    """Spaces and comments do not count, and neither do functions of others."""
    execute(scribe, TEXT.format("report"))
    execute(
        scribe,
        "DO $$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef(oid), 'BEGIN', E'BEGIN  -- here\n') FROM pg_proc"
        " WHERE proname = 'list_instances' AND pronamespace = current_schema()::regnamespace); END $$",
    )


def broken(scribe: Scribe) -> None:
    execute(scribe, TEXT.format("latest_execution_id").replace("(text)", "(p_instance_id text)"))
    execute(scribe, TEXT.format("ack_worker"))
    execute(scribe, "ALTER FUNCTION list_children(text) STRICT SECURITY DEFINER SET search_path = public")


def found(function: str, state: str) -> Found:
    return Found(
        instance_id=None,
        execution_id=None,
        observed={"function": function, "state": state},
        expected={"function": function, "state": "is the engine's own"},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found(
            "latest_execution_id(text)",
            "has another text, or other names of arguments, than any version of the engine gave it",
        ),
        found("ack_worker(text)", "is none of the engine's, and has the name of one"),
        found("list_children(text)", "is strict, security definer, set search_path=public"),
    ],
    repaired=[],
    alters_schema=True,
)

from cases.case import Case, Found
from cases.objects import execute
from holystone.demo.scribe import Scribe, completed, scheduled, started

TABLES = ("instances", "executions", "history")


def copied(scribe: Scribe) -> None:
    """Keep what is there in another schema as well."""
    execute(scribe, 'DROP SCHEMA IF EXISTS "twin [1]" CASCADE')
    execute(scribe, 'CREATE SCHEMA "twin [1]"')
    for table in TABLES:
        execute(scribe, f'CREATE TABLE "twin [1]".{table} AS TABLE {table}')


def healthy(scribe: Scribe) -> None:
    """What runs in the one store is not there in the other, or has ended there."""
    scribe.execution("done", started(), completed())
    scribe.execution("went-on", started(), scheduled())
    copied(scribe)
    execute(scribe, "UPDATE \"twin [1]\".executions SET status = 'Completed' WHERE instance_id = 'went-on'")
    scribe.execution("new", started(), scheduled())


def broken(scribe: Scribe) -> None:
    scribe.execution("done", started(), completed())
    scribe.execution("runs", started(), scheduled())
    copied(scribe)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={"store": "schema twin [1]", "state": "1 of its executions run here too"},
            expected={"store": "schema twin [1]", "state": "none"},
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)

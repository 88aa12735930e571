from sqlalchemy import MetaData, Table

from cases.case import Case, Found
from holystone.demo.scribe import Scribe
from holystone.store.toolkit import JOURNAL, REVISIONS, executions_status, versions

NEWEST = list(REVISIONS)[-1]


def go_back(scribe: Scribe, revision: str, *tables: str) -> None:
    """Make the store one that was upgraded to an older revision, which did not make these tables."""
    scribe.change(versions, {"version_num": NEWEST}, version_num=revision)
    for table in tables:
        Table(table, MetaData()).drop(scribe.connection)


def healthy(scribe: Scribe) -> None:
    """A repair has made the journal, and nobody has upgraded the store."""
    go_back(scribe, JOURNAL, "holystone_adoptions", "holystone_watermarks")
    executions_status.as_index.drop(scribe.connection)


def broken(scribe: Scribe) -> None:
    go_back(scribe, "t0003", "holystone_adoptions", "holystone_watermarks")
    executions_status.as_index.drop(scribe.connection)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={
                "pending": "t0004, t0005",
                "lacking": "index holystone_executions_status, table holystone_adoptions",
            },
            expected={"pending": "none", "lacking": "none"},
            cause="object-missing",
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)

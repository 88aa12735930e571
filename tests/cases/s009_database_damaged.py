from cases.case import Case, Found, OnFlavour
from cases.objects import execute
from holystone.demo.scribe import Scribe, scheduled, started

READY = "UPDATE pg_catalog.pg_index SET indisready = {} WHERE indexrelid = 'idx_worker_available'::regclass"
INDEX = OnFlavour(sqlite="index idx_worker_available", postgresql="index idx_worker_available on worker_queue")


def healthy(scribe: Scribe) -> None:
    scribe.execution("order-1", started(), scheduled())


def broken(scribe: Scribe) -> None:
    """The index has no entry for the row: on SQLite what it has is of another column than it says."""
    if scribe.flavour.name == "postgresql":
        execute(scribe, READY.format(False))
        scribe.execution("order-1", started(), scheduled())
        execute(scribe, READY.format(True))
        return
    scribe.execution("order-1", started(), scheduled())
    execute(scribe, "PRAGMA writable_schema = ON")
    execute(
        scribe,
        "UPDATE sqlite_master SET sql = replace(sql, 'lock_token', 'work_item') WHERE name = 'idx_worker_available'",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={
                "damaged": INDEX,
                "state": OnFlavour(
                    sqlite="row 1 missing from index idx_worker_available",
                    postgresql="has 0 rows, and the table 1",
                ),
            },
            expected={"damaged": INDEX, "state": "none"},
            repair="none",
        )
    ],
    repaired=[],
    also=frozenset({"S001"}),
    alters_schema=True,
)

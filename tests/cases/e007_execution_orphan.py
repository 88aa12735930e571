from cases.case import Case, Found, Row, execution
from cases.work import start_of
from holystone.demo.scribe import BEGUN_MS, Scribe, completed, failed_with, scheduled, started
from holystone.duroxide.tables import executions, instances

UNSTORED = failed_with({"Infrastructure": {"operation": "ack", "message": "database is locked", "retryable": True}})
"""What the engine leaves of an instance whose first turn it could not store: its failure, and nothing before it."""


def ghost(scribe: Scribe, instance_id: str, age_ms: int | None = None) -> None:
    """What the engine leaves on PostgreSQL for an event to an instance that does not exist."""
    started_at = scribe.flavour.created_at(BEGUN_MS if age_ms is None else age_ms)
    scribe.add(executions, instance_id=instance_id, execution_id=1, status="Running", started_at=started_at)


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), scheduled())
    # A start that is still queued has no rows at all.
    scribe.message("queued", start_of("queued"))


def broken(scribe: Scribe) -> None:
    ghost(scribe, "ghost")
    ghost(scribe, "awaited")
    scribe.message("awaited", start_of("awaited"))
    scribe.execution("lost", started(), completed())
    scribe.remove(instances, {"instance_id": "lost"})
    scribe.execution("unstored", UNSTORED)
    scribe.remove(instances, {"instance_id": "unstored"})


ABSENT, PRESENT = {"instance": "absent"}, {"instance": "present"}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        # A message is on its way to it: whoever removed the row might race with its start.
        Found(instance_id="awaited", execution_id=1, observed=ABSENT, expected=PRESENT, cause="ghost", repair="none"),
        Found(instance_id="ghost", execution_id=1, observed=ABSENT, expected=PRESENT, cause="ghost", repair="unsafe"),
        Found(
            instance_id="lost",
            execution_id=1,
            observed=ABSENT,
            expected=PRESENT,
            cause="instance-lost",
            repair="none",
        ),
        Found(
            instance_id="unstored",
            execution_id=1,
            observed=ABSENT,
            expected=PRESENT,
            cause="first-turn-unstored",
            repair="none",
        ),
    ],
    repaired=[
        Row(table="executions", key=execution("ghost"), columns=None),
        Row(table="executions", key=execution("awaited"), columns={"status": "Running"}),
        Row(table="executions", key=execution("lost"), columns={"status": "Completed"}),
        Row(table="executions", key=execution("unstored"), columns={"status": "Failed"}),
    ],
)

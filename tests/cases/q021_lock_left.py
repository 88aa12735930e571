from cases.case import Case, Found
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import instance_locks, worker_queue

HOUR_MS = 3_600_000


def locked_until(scribe: Scribe, end_ms: int) -> None:
    scribe.execution("turn", started(), scheduled())
    scribe.execution("activity", started(), scheduled())
    scribe.connection.execute(
        instance_locks.insert().values(instance_id="turn", lock_token="t", locked_until=end_ms, locked_at=1)
    )
    scribe.change(worker_queue, {"instance_id": "activity"}, lock_token="a worker's", locked_until=end_ms)


def healthy(scribe: Scribe) -> None:
    locked_until(scribe, 1)


def broken(scribe: Scribe) -> None:
    locked_until(scribe, now_ms() + HOUR_MS)


def found(locks: str) -> Found:
    return Found(
        instance_id=None,
        execution_id=None,
        observed={"locks": locks, "state": "1 are locked"},
        expected={"locks": locks, "state": "none"},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[found("instances"), found("activities")],
    repaired=[],
    alters_schema=True,
)

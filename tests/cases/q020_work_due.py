from cases.case import Case, Found
from cases.payloads import FAR_FUTURE_MS, begun, subscribed, timer
from holystone.demo.scribe import Scribe, completed, scheduled, started
from holystone.duroxide.tables import worker_queue


def healthy(scribe: Scribe) -> None:
    """Nothing is left to do, or not before its time."""
    scribe.execution("done", started(), completed())
    scribe.execution("later", begun(), timer(FAR_FUTURE_MS))


def broken(scribe: Scribe) -> None:
    scribe.execution("timer", begun(), timer(1))
    scribe.execution("asleep", begun(), timer(FAR_FUTURE_MS))
    scribe.execution("event", begun(), subscribed())
    scribe.message("event", {"ExternalRaised": {"instance": "event", "name": "go", "data": "1"}})
    scribe.execution("activity", started(), scheduled())
    scribe.execution("in-hand", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "in-hand"}, lock_token="a worker's", locked_until=1)


def found(work: str, state: str) -> Found:
    return Found(
        instance_id=None,
        execution_id=None,
        observed={"work": work, "state": state},
        expected={"work": work, "state": "none"},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("timers", "1 fire at once"),
        found("messages", "1 are taken at once"),
        found("activities", "1 run at once"),
        found("activities in hand", "1 run once more"),
    ],
    repaired=[],
    alters_schema=True,
)

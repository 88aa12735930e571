from cases.case import Case, Found, Row, execution
from cases.payloads import cancelled_event, subscribed
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, failed, scheduled, started


def healthy(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued("2"))
    # What an execution leaves undone when it continues is cancelled after its end.
    scribe.execution(
        "loop", started(), scheduled(), continued("3"), cancelled_event("ActivityCancelRequested", 2), execution_id=2
    )
    scribe.execution("loop", started(), subscribed(), execution_id=3)
    scribe.execution("ended", started(), completed())


def broken(scribe: Scribe) -> None:
    for name, end in (("cut", []), ("done", [completed()]), ("failed", [failed()])):
        scribe.execution(name, started(), scheduled(), activity_completed(), *end)
        scribe.execution(name, started(), subscribed(), execution_id=2)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=1,
            observed={"ending": ending},
            expected={"ending": "ContinuedAsNew"},
            repair="none",
        )
        for name, ending in (("cut", "Running"), ("done", "Completed"), ("failed", "Failed"))
    ],
    repaired=[Row(table="executions", key=execution("cut"), columns={"status": "Running"})],
)

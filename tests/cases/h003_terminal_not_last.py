from cases.case import Case, Found, Row
from cases.payloads import cancelled_event, subscribed
from holystone.demo.scribe import Scribe, cancelled, completed, scheduled, started


def healthy(scribe: Scribe) -> None:
    # What is still open at the end is given up by the same ack, partly after the end.
    scribe.execution(
        "cancelled",
        started(),
        scheduled(),
        cancelled(),
        cancelled_event("ActivityCancelRequested", 2, "orchestration_terminal_failed"),
    )
    scribe.execution("completed", started(), completed())


def broken(scribe: Scribe) -> None:
    scribe.execution("revived", started(), completed(), subscribed(), subscribed())


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="revived",
            execution_id=1,
            observed={"strays": "ExternalSubscribed 3, ExternalSubscribed 4"},
            expected={"strays": None},
            repair="none",
        )
    ],
    repaired=[Row(table="executions", key={"instance_id": "revived"}, columns={"status": "Completed"})],
)

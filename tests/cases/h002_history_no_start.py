from cases.case import Case, Found, Row
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, scheduled, started


def healthy(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued("2"))
    scribe.execution("loop", started(), scheduled(), execution_id=2)


def broken(scribe: Scribe) -> None:
    scribe.execution("headless", scheduled(), activity_completed(source=1), completed())


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="headless",
            execution_id=1,
            observed={"first_type": "ActivityScheduled"},
            expected={"first_type": "OrchestrationStarted"},
            repair="none",
        )
    ],
    repaired=[Row(table="executions", key={"instance_id": "headless"}, columns={"status": "Completed"})],
)

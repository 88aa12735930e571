from cases.case import Case, CompletedAt, Found, Row, event_time, execution
from holystone.demo.scribe import Scribe, completed, continued, failed, started
from holystone.duroxide.tables import executions, instances


def healthy(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued("2"))
    scribe.execution("loop", started(), completed(), execution_id=2)


def broken(scribe: Scribe) -> None:
    scribe.execution("finished", started(), continued("2"))
    scribe.execution("finished", started(), completed('"rebuilt"'), execution_id=2)
    scribe.remove(executions, execution("finished", 1))
    scribe.execution("failed", started(), continued("2"))
    scribe.execution("failed", started(), failed(), execution_id=2)
    scribe.remove(executions, execution("failed", 2))
    scribe.execution("lost", started(), completed())
    scribe.remove(executions, execution("lost"))
    scribe.remove(instances, {"instance_id": "lost"})


ABSENT, PRESENT = {"execution": "absent"}, {"execution": "present"}


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(instance_id="finished", execution_id=1, observed=ABSENT, expected=PRESENT, cause="execution-lost"),
        Found(instance_id="failed", execution_id=2, observed=ABSENT, expected=PRESENT, cause="execution-lost"),
        Found(
            instance_id="lost",
            execution_id=1,
            observed=ABSENT,
            expected=PRESENT,
            cause="instance-lost",
            repair="none",
        ),
    ],
    repaired=[
        Row(
            table="executions",
            key=execution("failed", 2),
            columns={"status": "Failed", "output": "card declined", "completed_at": CompletedAt(event_time(4, 2))},
        ),
        Row(table="executions", key=execution("finished", 1), columns={"status": "ContinuedAsNew", "output": "2"}),
        Row(table="executions", key=execution("lost"), columns=None),
    ],
)

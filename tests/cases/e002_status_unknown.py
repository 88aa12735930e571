from cases.case import Case, Found, Row, execution
from holystone.demo.scribe import Scribe, completed, failed, scheduled, started
from holystone.store.tables import executions


def healthy(scribe: Scribe) -> None:
    scribe.execution("done", started(), completed())
    scribe.execution("failed", started(), failed())


def broken(scribe: Scribe) -> None:
    scribe.execution("spelt", started(), completed('"kept"'))
    scribe.change(executions, execution("spelt"), status="completed")
    scribe.execution("blank", started(), scheduled())
    scribe.change(executions, execution("blank"), status="")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(instance_id="blank", execution_id=1, observed={"status": ""}, expected={"status": "Running"}),
        Found(instance_id="spelt", execution_id=1, observed={"status": "completed"}, expected={"status": "Completed"}),
    ],
    repaired=[
        Row(table="executions", key=execution("spelt"), columns={"status": "Completed", "output": '"kept"'}),
        Row(table="executions", key=execution("blank"), columns={"status": "Running", "completed_at": None}),
    ],
)

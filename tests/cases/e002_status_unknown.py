from dataclasses import replace

from cases.case import Case, Found, Row, execution
from cases.payloads import subscribed
from holystone.demo.scribe import BEGUN_MS, Scribe, completed, failed, scheduled, started
from holystone.duroxide.tables import executions, history


def healthy(scribe: Scribe) -> None:
    scribe.execution("done", started(), completed())
    scribe.execution("failed", started(), failed())
    # A newer engine may have more of them.
    scribe.execution("newer", started(), subscribed())
    event = scribe.event("newer", 1, 3, scheduled(), BEGUN_MS)
    scribe.activity(event)
    newer = replace(event, duroxide_version="9.0.0")
    scribe.change(history, {**execution("newer"), "event_id": 3}, event_data=newer.to_json())
    scribe.change(executions, execution("newer"), status="Suspended")


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

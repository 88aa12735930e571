from cases.case import Case, Found, Row
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import executions, history, worker_queue


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), scheduled())
    # An instance that is still to be started has no row.
    scribe.message(
        "queued",
        {
            "StartOrchestration": {
                "instance": "queued",
                "orchestration": "Order",
                "input": "{}",
                "version": None,
                "parent_instance": None,
                "parent_id": None,
                "execution_id": 1,
            }
        },
    )


def broken(scribe: Scribe) -> None:
    scribe.execution("empty", started(), scheduled())
    for table in (history, executions, worker_queue):
        scribe.remove(table, {"instance_id": "empty"})


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="empty",
            execution_id=None,
            observed={"executions": "absent"},
            expected={"executions": "present"},
            repair="none",
        )
    ],
    repaired=[Row(table="instances", key={"instance_id": "empty"}, columns={"current_execution_id": 1})],
)

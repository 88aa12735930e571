from cases.case import Case, CompletedAt, Found, Row, event_time, execution
from holystone.demo.scribe import Scribe, completed, continued, failed, scheduled, started
from holystone.duroxide.tables import executions


def healthy(scribe: Scribe) -> None:
    scribe.execution("done", started(), completed())
    # The engine sets the time of a ContinuedAsNew execution on SQLite only, and the scribe does as the engine.
    scribe.execution("loop", started(), continued())
    scribe.execution("loop", started(), scheduled(), execution_id=2)


def broken(scribe: Scribe) -> None:
    scribe.execution("done", started(), completed())
    scribe.change(executions, execution("done"), completed_at=None)
    scribe.execution("failed", started(), failed())
    scribe.change(executions, execution("failed"), completed_at=None)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=1,
            observed={"completed_at": None},
            expected={"completed_at": CompletedAt(event_time(number, 2))},
        )
        for number, name in enumerate(["done", "failed"], 1)
    ],
    repaired=[
        Row(table="executions", key=execution("done"), columns={"completed_at": CompletedAt(event_time(1, 2))}),
        Row(table="executions", key=execution("failed"), columns={"completed_at": CompletedAt(event_time(2, 2))}),
    ],
)

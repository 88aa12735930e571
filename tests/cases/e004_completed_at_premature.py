from cases.case import Case, CompletedAt, Found, Row, execution
from holystone.demo.scribe import BEGUN_MS, Scribe, completed, scheduled, started
from holystone.duroxide.tables import executions


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), scheduled())
    scribe.execution("done", started(), completed())


def broken(scribe: Scribe) -> None:
    scribe.execution("live", started(), scheduled())
    scribe.change(executions, execution("live"), completed_at=scribe.flavour.completed_at(BEGUN_MS))


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="live",
            execution_id=1,
            observed={"completed_at": CompletedAt(BEGUN_MS)},
            expected={"completed_at": None},
        )
    ],
    repaired=[Row(table="executions", key=execution("live"), columns={"completed_at": None, "status": "Running"})],
)

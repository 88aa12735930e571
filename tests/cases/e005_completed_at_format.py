from cases.case import Case, Found, Row, event_time, execution
from holystone.demo.scribe import Scribe, completed, continued, scheduled, started
from holystone.duroxide.tables import executions

TEXT = "2025-10-10 08:00:00"
SECONDS = 1_760_000_000


def healthy(scribe: Scribe) -> None:
    scribe.execution("done", started(), completed())
    scribe.execution("loop", started(), continued())
    scribe.execution("loop", started(), scheduled(), execution_id=2)


def broken(scribe: Scribe) -> None:
    scribe.execution("as-text", started(), completed())
    scribe.change(executions, execution("as-text"), completed_at=TEXT)
    scribe.execution("in-seconds", started(), completed())
    scribe.change(executions, execution("in-seconds"), completed_at=SECONDS)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="as-text",
            execution_id=1,
            observed={"completed_at": TEXT},
            expected={"completed_at": event_time(1, 2)},
        ),
        Found(
            instance_id="in-seconds",
            execution_id=1,
            observed={"completed_at": SECONDS},
            expected={"completed_at": event_time(2, 2)},
        ),
    ],
    repaired=[
        Row(table="executions", key=execution("as-text"), columns={"completed_at": event_time(1, 2)}),
        Row(table="executions", key=execution("in-seconds"), columns={"completed_at": event_time(2, 2)}),
    ],
)

from cases.case import Case, Found, Row, execution
from holystone.demo.scribe import Scribe, completed, continued, scheduled, started
from holystone.duroxide.tables import history


def healthy(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued())
    scribe.execution("loop", started(), scheduled(), execution_id=2)


def broken(scribe: Scribe) -> None:
    scribe.execution("loop", started(), continued())
    scribe.execution("loop", started(), completed(), execution_id=2)
    scribe.remove(history, execution("loop"))
    scribe.execution("never-began")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=1,
            observed={"history": "absent"},
            expected={"history": "present"},
            repair="none",
        )
        for name in ("loop", "never-began")
    ],
    # Nothing says how it ended, so its status stays as it is.
    repaired=[Row(table="executions", key=execution("loop"), columns={"status": "ContinuedAsNew"})],
)

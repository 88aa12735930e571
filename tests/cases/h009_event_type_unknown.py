from cases.case import Case, Found, Row
from cases.payloads import subscribed
from holystone.demo.scribe import Scribe, scheduled, started


def healthy(scribe: Scribe) -> None:
    scribe.execution("known", started(), scheduled())


def broken(scribe: Scribe) -> None:
    scribe.execution("newer", started(), ("OrchestrationPaused", {"by": "a newer engine"}), subscribed())


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="newer",
            execution_id=1,
            observed={"type": "OrchestrationPaused"},
            expected={"type": "one that this version knows"},
            repair="none",
        )
    ],
    repaired=[Row(table="history", key={"instance_id": "newer", "event_id": 2}, columns={"execution_id": 1})],
)

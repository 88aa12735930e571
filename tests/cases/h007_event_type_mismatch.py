from cases.case import Case, Found, Row
from cases.payloads import subscribed
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import history


def healthy(scribe: Scribe) -> None:
    scribe.execution("finished", started(), completed())
    scribe.execution("waiting", started(), subscribed())


def broken(scribe: Scribe) -> None:
    scribe.execution("retyped", started(), completed())
    scribe.change(history, {"instance_id": "retyped", "event_id": 2}, event_type="OrchestrationFailed")
    scribe.execution("moved", started(), subscribed())
    scribe.change(history, {"instance_id": "moved"}, event_type="Event")


def found(instance_id: str, observed: str, expected: str) -> Found:
    return Found(
        instance_id=instance_id, execution_id=1, observed={"event_type": observed}, expected={"event_type": expected}
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("retyped", "OrchestrationFailed", "OrchestrationCompleted"),
        # As the rows of a store on PostgreSQL are, copied to a file.
        found("moved", "Event", "OrchestrationStarted"),
        found("moved", "Event", "ExternalSubscribed"),
    ],
    repaired=[
        Row(
            table="history",
            key={"instance_id": "retyped", "event_id": 2},
            columns={"event_type": "OrchestrationCompleted"},
        ),
        Row(table="history", key={"instance_id": "moved", "event_id": 2}, columns={"event_type": "ExternalSubscribed"}),
    ],
)

from cases.case import Case, Found, Row
from cases.payloads import cancelled_event, subscribed
from holystone.demo.scribe import Scribe, activity_completed, completed, scheduled, started


def healthy(scribe: Scribe) -> None:
    scribe.execution("finished", started(), scheduled(), activity_completed(), completed())
    scribe.execution(
        "dropped", started(), scheduled(), cancelled_event("ActivityCancelRequested", 2), subscribed(), completed()
    )


def broken(scribe: Scribe) -> None:
    scribe.execution("missing", started(), activity_completed(source=9), completed())
    scribe.execution("wrong", started(), subscribed(), activity_completed(source=2), completed())


def found(instance_id: str, source: int, kind: str | None, cause: str) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=1,
        observed={"source_event_id": source, "source_type": kind},
        expected={"source_event_id": source, "source_type": "ActivityScheduled"},
        cause=cause,
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("missing", 9, None, "source-missing"),
        found("wrong", 2, "ExternalSubscribed", "wrong-kind"),
    ],
    repaired=[Row(table="executions", key={"instance_id": "wrong"}, columns={"status": "Completed"})],
)

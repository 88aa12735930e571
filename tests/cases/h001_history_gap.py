from cases.case import Case, Found, Row
from cases.payloads import poisoned, subscribed
from holystone.demo.scribe import BEGUN_MS, Scribe, activity_completed, completed, scheduled, started
from holystone.duroxide.event_types import POISON_EVENT_ID
from holystone.duroxide.tables import executions, history


def healthy(scribe: Scribe) -> None:
    scribe.execution("finished", started(), scheduled(), activity_completed(), completed())
    # The engine fails what it cannot go on with at a fixed id, far behind the last event.
    ended_ms = scribe.execution("given-up", started())
    scribe.event("given-up", 1, POISON_EVENT_ID, poisoned("given-up"), ended_ms)
    scribe.change(
        executions,
        {"instance_id": "given-up"},
        status="Failed",
        output="poison: orchestration given-up exceeded 11 attempts (max 10)",
        completed_at=scribe.flavour.completed_at(ended_ms),
    )


def broken(scribe: Scribe) -> None:
    scribe.execution("holed", started(), subscribed(), subscribed(), subscribed(), subscribed(), subscribed())
    for event_id in (3, 5):
        scribe.remove(history, {"instance_id": "holed", "event_id": event_id})
    scribe.execution("far", started())
    scribe.event("far", 1, 7, subscribed(), BEGUN_MS)


def found(instance_id: str, observed: str, expected: str) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=1,
        observed={"event_ids": observed},
        expected={"event_ids": expected},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[found("holed", "1-2, 4, 6", "1-6"), found("far", "1, 7", "1-7")],
    repaired=[Row(table="history", key={"instance_id": "holed", "event_id": 2}, columns={"execution_id": 1})],
)

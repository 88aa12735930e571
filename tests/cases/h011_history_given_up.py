from typing import Any

from cases.case import Case, Found, Row
from cases.unreadable import NOT_JSON, torn
from holystone.demo.scribe import EVENT_MS, Payload, Scribe, completed, failed_with, started
from holystone.duroxide.event_types import POISON_EVENT_ID
from holystone.duroxide.tables import executions


def healthy(scribe: Scribe) -> None:
    scribe.execution("finished", started(), completed())


def unreadable_to_the_engine(instance_id: str) -> Payload:
    subject = {"FailedDeserialization": {"instance": instance_id, "execution_id": 1, "error": "EOF while parsing"}}
    details: dict[str, Any] = {"attempt_count": 11, "max_attempts": 10, "message_type": subject, "message": "[]"}
    return failed_with({"Poison": details})


def broken(scribe: Scribe) -> None:
    ended_ms = torn(scribe, "given-up") + EVENT_MS
    scribe.event("given-up", 1, POISON_EVENT_ID, unreadable_to_the_engine("given-up"), ended_ms)
    scribe.change(
        executions,
        {"instance_id": "given-up"},
        status="Failed",
        output=(
            "poison: orchestration given-up history deserialization failed after 11 attempts (max 10): "
            "EOF while parsing"
        ),
        completed_at=scribe.flavour.completed_at(ended_ms),
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="given-up",
            execution_id=1,
            observed={"fault": NOT_JSON},
            expected={"fault": None},
            repair="none",
        )
    ],
    repaired=[Row(table="executions", key={"instance_id": "given-up"}, columns={"status": "Failed"})],
)

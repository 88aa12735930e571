from collections.abc import Mapping

from cases.case import Case, Found, Row
from cases.payloads import subscribed
from cases.unreadable import NOT_JSON, TORN, incomplete, torn, torn_before
from holystone.demo.scribe import Scribe, completed, started

AWKWARD = 'tab\t quote" back\\slash \u0001 é 😀 \u2028 {"type":"OrchestrationFailed"} \x7f'


def healthy(scribe: Scribe) -> None:
    scribe.execution("awkward", started(input=AWKWARD), subscribed(AWKWARD))
    scribe.execution("finished", started(input=""), completed(AWKWARD))


def broken(scribe: Scribe) -> None:
    torn(scribe, "torn")
    incomplete(scribe, "incomplete")
    torn_before(scribe, "over")


def found(instance_id: str, fault: str, cause: str | Mapping[str, str] | None) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=1,
        observed={"fault": fault},
        expected={"fault": None},
        cause=cause,
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        # On PostgreSQL the cast of this history to JSONB fails every fetch of the whole store.
        found("torn", NOT_JSON, {"sqlite": "fails-instance", "postgresql": "halts-dispatch"}),
        found("incomplete", "'instance_id' is missing", "fails-instance"),
        found("over", NOT_JSON, None),
    ],
    repaired=[Row(table="history", key={"instance_id": "torn", "event_id": 2}, columns={"event_data": TORN})],
)

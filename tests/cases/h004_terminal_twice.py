from cases.case import Case, Found, Row
from cases.payloads import poisoned
from holystone.demo.scribe import Scribe, completed, failed, started


def healthy(scribe: Scribe) -> None:
    # The turn that ended it broke a limit, so the engine failed it in the same ack.
    scribe.execution("limited", started(), completed(), failed("custom status exceeds limit (262144)"))
    # A message that came after the end was fetched too often.
    scribe.execution("given-up", started(), completed(), poisoned("given-up"))


def broken(scribe: Scribe) -> None:
    scribe.execution("twice", started(), completed(), failed())
    scribe.execution("again", started(), completed(), completed())


def found(instance_id: str, again: str) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=1,
        observed={"ended_again": again},
        expected={"ended_again": None},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[found("twice", "OrchestrationFailed 3"), found("again", "OrchestrationCompleted 3")],
    repaired=[Row(table="executions", key={"instance_id": "twice"}, columns={"status": "Failed"})],
)

from cases.case import Case, Found, Row
from cases.payloads import subscribed
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, completed, continued, started


def again(instance_id: str) -> dict[str, object]:
    """The message that begins the instance's next execution."""
    fields = {"instance": instance_id, "orchestration": "Order", "input": "{}", "version": None}
    return {"ContinueAsNew": {**fields, "carry_forward_events": []}}


def healthy(scribe: Scribe) -> None:
    scribe.execution("between", started(), continued())
    # Once an instance has ended, the engine drops it.
    scribe.execution("ended", started(), completed())
    scribe.message("ended", again("ended"))


def broken(scribe: Scribe) -> None:
    scribe.execution("runs", started(), subscribed())
    scribe.message("runs", again("runs"))
    scribe.execution("twice", started(), continued())
    scribe.message("twice", again("twice"), now_ms() + 60_000)


def found(name: str, follows: str, cause: str) -> Found:
    return Found(
        instance_id=name,
        execution_id=None,
        observed={"follows": follows},
        expected={"follows": "the end of the current execution"},
        cause=cause,
        repair="unsafe",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("runs", "an execution that runs", "execution-runs"),
        found("twice", "another such message", "told-twice"),
    ],
    repaired=[Row(table="orchestrator_queue", key={"instance_id": "runs"}, columns=None)],
)

from cases.case import Case, Found, Row
from cases.payloads import asked_child, child_answered, child_of, subscribed, timer
from cases.work import completion_for
from holystone.demo.scribe import (
    Payload,
    Scribe,
    activity_completed,
    completed,
    continued,
    failed_with,
    scheduled,
    started,
)

FAILURE = failed_with({"Application": {"kind": "ActivityFailed", "message": "503", "retryable": False}})[1]
FAILED = ("ActivityFailed", {"source_event_id": 2, **FAILURE})
CHILD_FAILED = ("SubOrchestrationFailed", {"source_event_id": 2, **FAILURE})
FIRED = ("TimerFired", {"source_event_id": 2, "fire_at_ms": 1})


def failure_for(instance_id: str) -> dict[str, object]:
    return {"ActivityFailed": {"instance": instance_id, "execution_id": 1, "id": 2, **FAILURE}}


def of_child(parent: str, failed: bool = False) -> dict[str, object]:
    of = {"parent_instance": parent, "parent_execution_id": 1, "parent_id": 2}
    return {"SubOrchFailed": {**of, **FAILURE}} if failed else {"SubOrchCompleted": {**of, "result": "1"}}


def family(scribe: Scribe, name: str, answer: Payload) -> None:
    scribe.execution(name, started(), asked_child(), answer, subscribed())
    scribe.execution(f"{name}::sub::2", child_of(name), completed())


def healthy(scribe: Scribe) -> None:
    """Whatever comes a second time and is dropped."""
    scribe.execution("done-twice", started(), scheduled(), activity_completed(), subscribed())
    scribe.message("done-twice", completion_for("done-twice"))
    scribe.execution("fired-twice", started(), timer(1), FIRED, subscribed())
    scribe.message(
        "fired-twice", {"TimerFired": {"instance": "fired-twice", "execution_id": 1, "id": 2, "fire_at_ms": 1}}
    )
    family(scribe, "told-twice", child_answered())
    scribe.message("told-twice", of_child("told-twice"))
    family(scribe, "failed-twice", CHILD_FAILED)
    scribe.message("failed-twice", of_child("failed-twice", failed=True))
    scribe.execution("ended", started(), scheduled(), FAILED, completed())
    scribe.message("ended", failure_for("ended"))
    scribe.execution("loop", started(), scheduled(), FAILED, continued())
    scribe.execution("loop", started(), scheduled(), FAILED, subscribed(), execution_id=2)
    scribe.message("loop", failure_for("loop"))


def broken(scribe: Scribe) -> None:
    scribe.execution("failure-after-failure", started(), scheduled(), FAILED, subscribed())
    scribe.message("failure-after-failure", failure_for("failure-after-failure"))
    scribe.execution("failure-after-result", started(), scheduled(), activity_completed(), subscribed())
    scribe.message("failure-after-result", failure_for("failure-after-result"))
    scribe.execution("result-after-failure", started(), scheduled(), FAILED, subscribed())
    scribe.message("result-after-failure", completion_for("result-after-failure"))
    family(scribe, "child-failure-after-result", child_answered())
    scribe.message("child-failure-after-result", of_child("child-failure-after-result", failed=True))
    family(scribe, "child-result-after-failure", CHILD_FAILED)
    scribe.message("child-result-after-failure", of_child("child-result-after-failure"))


KINDS = {
    "failure-after-failure": "ActivityFailed",
    "failure-after-result": "ActivityFailed",
    "result-after-failure": "ActivityCompleted",
    "child-failure-after-result": "SubOrchFailed",
    "child-result-after-failure": "SubOrchCompleted",
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"answered_by": "an answer"},
            expected={"answered_by": "nothing"},
            cause=kind,
            repair="unsafe",
        )
        for name, kind in KINDS.items()
    ],
    repaired=[Row(table="orchestrator_queue", key={"instance_id": name}, columns=None) for name in KINDS],
)

from cases.case import Case, Found, Row
from cases.payloads import asked_child, child_of, subscribed, timer
from cases.work import completion_for, spaced
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, failed_with, scheduled, started
from holystone.duroxide.tables import worker_queue

DETAILS = failed_with({"Application": {"kind": "ActivityFailed", "message": "503", "retryable": False}})[1]


def healthy(scribe: Scribe) -> None:
    scribe.execution("asked", started(), scheduled(), timer(), asked_child("asked::sub::4"), scheduled())
    scribe.execution("asked::sub::4", child_of("asked", 4), completed())
    scribe.remove(worker_queue, {"instance_id": "asked"})
    spaced(scribe, scribe.message("asked", completion_for("asked")))
    scribe.message("asked", {"SubOrchCompleted": of_child("asked", 4)})
    scribe.message("asked", {"ActivityFailed": {"instance": "asked", "execution_id": 1, "id": 5, **DETAILS}})
    # The engine passes over a second answer, one to an execution that is over, and all that come too late.
    scribe.execution("answered", started(), scheduled(), activity_completed(), subscribed())
    scribe.message("answered", completion_for("answered"))
    scribe.execution("loop", started(), continued())
    scribe.execution("loop", started(), subscribed(), execution_id=2)
    scribe.message("loop", completion_for("loop", 9))
    scribe.execution("ended", started(), completed())
    scribe.message("ended", completion_for("ended", 9))


def of_child(parent: str, number: int) -> dict[str, object]:
    return {"parent_instance": parent, "parent_execution_id": 1, "parent_id": number, "result": "1"}


def broken(scribe: Scribe) -> None:
    for name in ANSWERS:
        scribe.execution(name, started(), subscribed())
    of = {"execution_id": 1, "id": 9}
    scribe.message("activity", completion_for("activity", 9))
    scribe.message("failure", {"ActivityFailed": {"instance": "failure", **of, **DETAILS}})
    spaced(scribe, scribe.message("timer", {"TimerFired": {"instance": "timer", **of, "fire_at_ms": 1}}))
    scribe.message("child", {"SubOrchCompleted": of_child("child", 9)})
    # There is such an event, and it is of another kind.
    scribe.message("other-kind", completion_for("other-kind", 2))


ANSWERS = {
    "activity": "ActivityCompleted",
    "failure": "ActivityFailed",
    "timer": "TimerFired",
    "child": "SubOrchCompleted",
    "other-kind": "ActivityCompleted",
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"asked_by": "nothing"},
            expected={"asked_by": "an event"},
            cause=kind,
            repair="unsafe",
        )
        for name, kind in ANSWERS.items()
    ],
    repaired=[Row(table="orchestrator_queue", key={"instance_id": name}, columns=None) for name in ANSWERS],
)

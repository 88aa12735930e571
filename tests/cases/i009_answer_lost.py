from cases.case import Case, Found
from cases.payloads import (
    FAR_FUTURE_MS,
    asked_child,
    begun,
    cancelled_event,
    child_of,
    subscribed,
    timer,
)
from holystone.demo.scribe import Scribe, completed, failed_with, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, worker_queue

LIMIT = "Custom status size (300000 bytes) exceeds limit (262144 bytes)"
BROKE_LIMIT = failed_with({"Application": {"kind": "OrchestrationFailed", "message": LIMIT, "retryable": False}})
UNSTORED = failed_with({"Infrastructure": {"operation": "ack", "message": "database is locked", "retryable": True}})


def healthy(scribe: Scribe) -> None:
    """Whatever can still be answered, and what has been given up, each beside an open subscription."""
    scribe.execution("activity", started(), scheduled(), subscribed())
    scribe.execution("timer", started(), timer(), subscribed())
    scribe.execution("answered", started(), scheduled(), subscribed())
    scribe.remove(worker_queue, {"instance_id": "answered"})
    scribe.message(
        "answered", {"ActivityCompleted": {"instance": "answered", "execution_id": 1, "id": 2, "result": "1"}}
    )
    scribe.execution("unnamed", started(), scheduled(), subscribed())
    nothing = dict.fromkeys(("instance_id", "execution_id", "activity_id"))
    scribe.change(worker_queue, {"instance_id": "unnamed"}, **nothing)
    scribe.execution("loser", started(), scheduled(), cancelled_event("ActivityCancelRequested", 2), subscribed())
    scribe.remove(worker_queue, {"instance_id": "loser"})
    scribe.execution("child", begun(), asked_child(), subscribed())
    scribe.execution("child::sub::2", child_of("child"), subscribed())
    scribe.execution(
        "child-loser", begun(), asked_child(), cancelled_event("SubOrchestrationCancelRequested", 2), subscribed()
    )
    # Nothing else is there to wake it: that is told by another check.
    scribe.execution("ended", started(), scheduled(), subscribed(), completed())
    scribe.remove(worker_queue, {"instance_id": "ended"})


def broken(scribe: Scribe) -> None:
    scribe.execution("activity-lost", started(), scheduled(), subscribed())
    scribe.execution("timer-lost", started(), timer(), subscribed())
    for table in (worker_queue, orchestrator_queue):
        scribe.remove(table, {})
    # What the first of two asked for is there, and the event that it waits for may come.
    scribe.execution("one-of-two", started(), timer(), scheduled(), subscribed())
    scribe.remove(orchestrator_queue, {"instance_id": "one-of-two"})
    # Of another execution, and so no answer.
    late = {"instance": "timer-lost", "execution_id": 7, "id": 2, "fire_at_ms": FAR_FUTURE_MS}
    scribe.message("timer-lost", {"TimerFired": late}, FAR_FUTURE_MS)
    for name in ("child-lost", "child-silent", "child-unstored", "child-broke-limit"):
        scribe.execution(name, begun(), asked_child(), subscribed())
    scribe.execution("child-silent::sub::2", child_of("child-silent"), completed())
    scribe.execution("child-unstored::sub::2", child_of("child-unstored"), UNSTORED)
    scribe.execution("child-broke-limit::sub::2", child_of("child-broke-limit"), BROKE_LIMIT)


def found(name: str, request: str, cause: str) -> Found:
    return Found(
        instance_id=name,
        execution_id=1,
        observed={"answered_by": "nothing"},
        expected={"answered_by": request},
        cause=cause,
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("activity-lost", "ActivityScheduled 2", "activity-lost"),
        found("timer-lost", "TimerCreated 2", "timer-lost"),
        found("one-of-two", "TimerCreated 2", "timer-lost"),
        found("child-lost", "SubOrchestrationScheduled 2", "child-lost"),
        found("child-silent", "SubOrchestrationScheduled 2", "child-silent"),
        found("child-unstored", "SubOrchestrationScheduled 2", "child-unstored"),
        found("child-broke-limit", "SubOrchestrationScheduled 2", "child-broke-limit"),
    ],
    repaired=[],
)

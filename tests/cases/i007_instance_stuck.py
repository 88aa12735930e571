from cases.case import Case, Found
from cases.payloads import (
    FAR_FUTURE_MS,
    asked_child,
    begun,
    cancelled_event,
    child_answered,
    child_of,
    dequeues,
    letter,
    raised,
    subscribed,
    timer,
)
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, scheduled, started
from holystone.duroxide.tables import instance_locks, orchestrator_queue, worker_queue


def healthy(scribe: Scribe) -> None:
    """Everything that can wake an instance, each alone and with a last event that does not show it."""
    done = (scheduled(), activity_completed())
    done_after_one = (scheduled(), activity_completed(source=3))
    scribe.execution("activity", started(), scheduled())
    scribe.execution("activity-in-hand", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "activity-in-hand"}, lock_token="a worker's", locked_until=1)
    scribe.execution("timer", started(), timer())
    scribe.execution("event", started(), subscribed(), *done_after_one)
    scribe.execution("event-again", started(), subscribed(), raised(), subscribed(), raised("other"))
    given_up = cancelled_event("ExternalSubscribedCancelled", 2)
    scribe.execution("event-after-another", started(), subscribed(), subscribed(), given_up, raised("other"))
    scribe.execution("letter", started(), dequeues(), *done_after_one)
    scribe.execution("letter-for-one-of-two", started(), dequeues(), dequeues(), letter("a"))
    scribe.execution("completion", started(), scheduled())
    scribe.remove(worker_queue, {"instance_id": "completion"})
    answered = {"instance": "completion", "execution_id": 1, "id": 2, "result": "1"}
    scribe.message("completion", {"ActivityCompleted": answered})
    scribe.execution("in-turn", started(), scheduled())
    scribe.remove(worker_queue, {"instance_id": "in-turn"})
    scribe.message("in-turn", {"ActivityCompleted": {**answered, "instance": "in-turn"}})
    moment = now_ms()
    held = {"lock_token": "a dispatcher's", "locked_until": moment + 3_600_000}
    scribe.change(orchestrator_queue, {"instance_id": "in-turn"}, **held)
    scribe.add(instance_locks, instance_id="in-turn", **held, locked_at=moment)
    scribe.execution("ended", started(), *done, completed())
    scribe.execution("between", started(), *done, continued())
    families(scribe)


def families(scribe: Scribe) -> None:
    """Parents that wait for children, in whatever state these can be."""
    for name in ("child-runs", "older-child-runs", "child-between", "child-to-start", "told"):
        scribe.execution(name, begun(), asked_child())
    scribe.execution("child-runs::sub::2", child_of("child-runs"), subscribed())
    scribe.execution("older-child-runs::sub::2", child_of("older-child-runs", parent_execution_id=None), subscribed())
    scribe.execution("child-between::sub::2", child_of("child-between"), continued())
    scribe.message("child-to-start::sub::2", start("child-to-start::sub::2", "child-to-start"))
    scribe.execution("told::sub::2", child_of("told"), completed())
    answer = {"parent_instance": "told", "parent_execution_id": 1, "parent_id": 2, "result": "1"}
    scribe.message("told", {"SubOrchCompleted": answer})
    scribe.execution("second-child-runs", begun(), asked_child(), asked_child("named"), child_answered())
    scribe.execution("second-child-runs::sub::2", child_of("second-child-runs"), completed())
    scribe.execution("named", child_of("second-child-runs", 3), subscribed())


def start(instance_id: str, parent: str) -> dict[str, dict[str, object]]:
    return {
        "StartOrchestration": {
            "instance": instance_id,
            "orchestration": "Order",
            "input": "{}",
            "version": None,
            "parent_instance": parent,
            "parent_id": 2,
            "parent_execution_id": 1,
            "execution_id": 1,
        }
    }


def broken(scribe: Scribe) -> None:
    scribe.execution("activity-lost", started(), scheduled())
    scribe.execution("timer-lost", started(), timer())
    # The activity was dropped for the timer, and nobody waits for it any more.
    scribe.execution(
        "both-lost", started(), scheduled(), timer(), scheduled(), cancelled_event("ActivityCancelRequested", 2)
    )
    scribe.execution("answered", started(), scheduled(), activity_completed())
    scribe.execution("letters-taken", started(), dequeues(), letter("a"))
    scribe.execution("loop", started(), timer(), continued())
    scribe.execution("loop", started(), scheduled(), execution_id=2)
    for table in (worker_queue, orchestrator_queue):
        scribe.remove(table, {})
    # A timer of the execution before, which lost its race: when it fires, the engine drops it.
    late = {"instance": "loop", "execution_id": 1, "id": 2, "fire_at_ms": FAR_FUTURE_MS}
    scribe.message("loop", {"TimerFired": late}, FAR_FUTURE_MS)
    for name in ("child-lost", "never-told"):
        scribe.execution(name, begun(), asked_child())
    scribe.execution("never-told::sub::2", child_of("never-told"), completed())
    # Another's child, which will answer an event of the same number.
    scribe.execution("told", begun(), asked_child())
    scribe.execution("told::sub::2", child_of("told"), subscribed())
    # The child's id was taken: it runs for somebody else.
    scribe.execution("stranger", begun(), subscribed())
    scribe.execution("mistaken", begun(), asked_child("stranger"))


def found(name: str, waits_for: str, cause: str, execution_id: int = 1) -> Found:
    return Found(
        instance_id=name,
        execution_id=execution_id,
        observed={"woken_by": "nothing"},
        expected={"woken_by": waits_for},
        cause=cause,
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("activity-lost", "ActivityScheduled 2", "activity-lost"),
        found("timer-lost", "TimerCreated 2", "timer-lost"),
        found("both-lost", "TimerCreated 3, ActivityScheduled 4", "timer-lost"),
        found("answered", "anything at all", "waits-for-nothing"),
        found("letters-taken", "anything at all", "waits-for-nothing"),
        found("loop", "ActivityScheduled 2", "activity-lost", 2),
        found("child-lost", "SubOrchestrationScheduled 2", "child-lost"),
        found("never-told", "SubOrchestrationScheduled 2", "child-silent"),
        found("mistaken", "SubOrchestrationScheduled 2", "child-silent"),
    ],
    repaired=[],
)

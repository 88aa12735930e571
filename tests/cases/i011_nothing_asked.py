from cases.case import Case, Found
from cases.payloads import (
    asked_child,
    begun,
    cancelled_event,
    child_answered,
    child_of,
    dequeues,
    letter,
    raised,
    status_set,
    subscribed,
    timer,
)
from cases.work import completion_for, letter_to, lock, raised_to
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, scheduled, started

HOUR_MS = 3_600_000


def healthy(scribe: Scribe) -> None:
    """Each kind of request alone is enough, also where the last event is none, and whatever lies in the queue."""
    said = status_set("waits")
    scribe.execution("activity", started(), scheduled(), said)
    scribe.execution("timer", started(), timer(), said)
    scribe.execution("subscription", started(), subscribed(), said)
    scribe.execution("second-subscription", started(), subscribed(), subscribed(), raised(), said)
    scribe.execution("dequeue", started(), dequeues(), dequeues(), letter("a"), said)
    scribe.execution("child", begun(), asked_child(), said)
    scribe.execution("child::sub::2", child_of("child"), subscribed())
    scribe.execution("ended", started(), scheduled(), activity_completed(), completed())
    scribe.execution("between", started(), scheduled(), activity_completed(), continued())
    for name in ("activity", "timer", "subscription", "second-subscription", "child", "ended"):
        scribe.message(name, raised_to(name))
    scribe.message("dequeue", letter_to("dequeue"))


def broken(scribe: Scribe) -> None:
    scribe.execution("start-alone", started())
    scribe.execution("answered", started(), scheduled(), activity_completed())
    scribe.execution("raised", started(), subscribed(), raised(), status_set("one"))
    scribe.execution("letters-taken", started(), dequeues(), letter("a"))
    scribe.execution("given-up", started(), subscribed(), cancelled_event("ExternalSubscribedCancelled", 2))
    scribe.execution("child-answered", begun(), asked_child(), child_answered(2))
    scribe.execution("child-answered::sub::2", child_of("child-answered"), completed())
    scribe.execution("loop", started(), scheduled(), activity_completed(), continued())
    scribe.execution("loop", started(), status_set("two"), execution_id=2)
    for name in NAMES:
        scribe.message(name, letter_to(name) if name == "letters-taken" else raised_to(name))
    # What has answered already is passed over, but begins a turn all the same.
    scribe.execution("twice", started(), scheduled(), activity_completed())
    scribe.message("twice", completion_for("twice"))
    scribe.execution("in-turn", started(), status_set("one"))
    scribe.message("in-turn", raised_to("in-turn"))
    lock(scribe, "in-turn", now_ms() + HOUR_MS)


NAMES = ("start-alone", "answered", "raised", "letters-taken", "given-up", "child-answered", "loop")
CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=2 if name == "loop" else 1,
            observed={"asks_for": "nothing"},
            expected={"asks_for": "anything at all"},
            repair="none",
        )
        for name in (*NAMES, "twice", "in-turn")
    ],
    repaired=[],
)

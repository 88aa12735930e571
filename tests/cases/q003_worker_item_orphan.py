from cases.case import Case, Found, Row
from cases.payloads import cancelled_event, subscribed
from cases.work import activity_for, routed
from holystone.demo.scribe import Scribe, activity_completed, completed, continued, failed_with, scheduled, started
from holystone.duroxide.tables import executions, history, instances, worker_queue


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), scheduled(), scheduled())
    scribe.execution("on-a-session", started(), routed(session_id="s"))
    # What it cancels when it ends is taken out of the queue, what it left to the worker is not there any more.
    cancelled = cancelled_event("ActivityCancelRequested", 2, "orchestration_terminal")
    scribe.execution("ended", started(), scheduled(), completed(), cancelled)
    # The engine itself leaves what a poisoned execution had outstanding to the workers.
    scribe.execution("poisoned", started(), scheduled(), failed_with(POISON))
    activity_for(scribe, "poisoned")
    # Older rows have no columns by which an activity is known.
    scribe.execution("older", started(), scheduled())
    nothing = dict.fromkeys(("instance_id", "execution_id", "activity_id"))
    scribe.change(worker_queue, {"instance_id": "older"}, **nothing)


POISON = {
    "Poison": {
        "attempt_count": 11,
        "max_attempts": 10,
        "message_type": {"Orchestration": {"instance": "poisoned", "execution_id": 1}},
        "message": "[]",
    }
}


def broken(scribe: Scribe) -> None:
    scribe.execution("gone", started(), scheduled())
    for table in (instances, executions, history):
        scribe.remove(table, {"instance_id": "gone"})
    scribe.execution("loop", started(), scheduled(), activity_completed(), continued())
    scribe.execution("loop", started(), subscribed(), execution_id=2)
    activity_for(scribe, "loop", execution_id=9)
    scribe.execution("never", started(), subscribed())
    activity_for(scribe, "never", event_id=2)
    scribe.execution("done", started(), scheduled(), activity_completed(), completed())
    activity_for(scribe, "done")
    cancelled = cancelled_event("ActivityCancelRequested", 2, "orchestration_terminal")
    scribe.execution("cancelled", started(), scheduled(), completed(), cancelled)
    activity_for(scribe, "cancelled")


FATES = {
    "gone": "instance-gone",
    "loop": "execution-gone",
    "never": "never-scheduled",
    "done": "already-over",
    "cancelled": "already-over",
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"activity": fate},
            expected={"activity": "outstanding"},
            cause=fate,
            repair="unsafe",
        )
        for name, fate in FATES.items()
    ],
    repaired=[Row(table="worker_queue", key={"instance_id": name}, columns=None) for name in FATES],
)

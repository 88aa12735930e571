from __future__ import annotations

from sqlalchemy import func

from cases.case import Case, Found, Row
from cases.payloads import subscribed
from cases.work import activity_for, completion_for
from holystone.demo.scribe import Scribe, activity_completed, failed_with, scheduled, started
from holystone.duroxide.tables import worker_queue

FAILURE = failed_with({"Application": {"kind": "ActivityFailed", "message": "503", "retryable": False}})[1]
FAILED = ("ActivityFailed", {"source_event_id": 2, **FAILURE})


def healthy(scribe: Scribe) -> None:
    scribe.execution("many", started(), *[scheduled() for _ in range(3)])
    # A retry asks anew; so does each execution of a chain, and each instance.
    scribe.execution("retries", started(), scheduled(), FAILED, scheduled())
    scribe.execution("other", started(), scheduled())
    scribe.execution("answered-beside", started(), scheduled(), scheduled(), activity_completed())
    # Of what has ended another check tells.
    for name in ("old", "old-too"):
        scribe.execution(name, started(), scheduled())
        scribe.change(worker_queue, {"instance_id": name}, instance_id=None, execution_id=None, activity_id=None)


def twice(scribe: Scribe, name: str) -> int:
    """Let an activity wait twice; return the row that came second."""
    scribe.execution(name, started(), scheduled())
    return activity_for(scribe, name)


CAUSES = {
    "doubled": "queued-twice",
    "tripled": "queued-twice",
    "first-is-held": "queued-twice",
    "both-are-held": "queued-twice",
    "printed-anew": "queued-twice",
    "second-is-held": "queued-twice",
    "answer-queued": "answered-by-a-message",
    "failure-queued": "answered-by-a-message",
    "answered": "answered-by-an-event",
    "failed": "answered-by-an-event",
    "answered-and-held": "answered-by-an-event",
}
"""Instance -> in which way its activity is there already."""
UNSAFE = {"both-are-held", "printed-anew", "answered-and-held"}


def broken(scribe: Scribe) -> None:
    twice(scribe, "doubled")
    twice(scribe, "tripled")
    activity_for(scribe, "tripled")
    row = twice(scribe, "first-is-held")
    scribe.change(worker_queue, {"id": row - 1}, lock_token="a worker's", locked_until=1)
    twice(scribe, "both-are-held")
    scribe.change(worker_queue, {"instance_id": "both-are-held"}, lock_token="a worker's", locked_until=1)
    row = twice(scribe, "second-is-held")
    scribe.change(worker_queue, {"id": row}, lock_token="a worker's", locked_until=1)
    row = twice(scribe, "printed-anew")
    text = func.replace(worker_queue.c.work_item, '":', '": ')
    scribe.change(worker_queue, {"id": row}, work_item=text)
    scribe.execution("answer-queued", started(), scheduled())
    scribe.message("answer-queued", completion_for("answer-queued"))
    scribe.execution("failure-queued", started(), scheduled())
    of = {"instance": "failure-queued", "execution_id": 1, "id": 2}
    scribe.message("failure-queued", {"ActivityFailed": {**of, **FAILURE}})
    for name, answer in {"answered": activity_completed(), "failed": FAILED, "answered-and-held": FAILED}.items():
        scribe.execution(name, started(), scheduled(), answer, subscribed())
        activity_for(scribe, name)
    scribe.change(worker_queue, {"instance_id": "answered-and-held"}, lock_token="a worker's", locked_until=1)


SEEN = {
    "queued-twice": "queued twice",
    "answered-by-a-message": "answered by a message",
    "answered-by-an-event": "answered by an event",
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"activity": SEEN[cause]},
            expected={"activity": "outstanding"},
            cause=cause,
            repair="unsafe" if name in UNSAFE else "safe",
        )
        for name, cause in {**CAUSES, "tripled again": "queued-twice"}.items()
        for name in [name.removesuffix(" again")]
    ],
    repaired=[
        Row(table="worker_queue", key={"instance_id": name}, columns=None if "answer" in cause else {"activity_id": 2})
        for name, cause in CAUSES.items()
    ],
)

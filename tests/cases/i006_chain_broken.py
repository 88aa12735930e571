import json

from cases.case import Case, CompletedAt, Found, Row, event_time
from cases.payloads import asked_child, begun, child_of, dequeues, letter, poisoned, status_set, subscribed
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, continued, started
from holystone.duroxide.tables import instance_locks, orchestrator_queue


def healthy(scribe: Scribe) -> None:
    scribe.execution("between", started(), continued("2"))
    # Nobody has registered what comes next, so the message is put off from time to time.
    scribe.execution("put-off", started(), continued("2"))
    scribe.change(
        orchestrator_queue,
        {"instance_id": "put-off"},
        visible_at=scribe.flavour.queue_time(event_time(9, 9)),
        attempt_count=3,
    )
    scribe.execution("in-hand", started(), continued("2"))
    moment = now_ms()
    held = {"lock_token": "a dispatcher's", "locked_until": moment + 5_000}
    scribe.change(orchestrator_queue, {"instance_id": "in-hand"}, **held)
    scribe.add(instance_locks, instance_id="in-hand", **held, locked_at=moment)
    scribe.execution("gone-on", started(), continued("2"))
    scribe.execution("gone-on", started(), subscribed(), execution_id=2)
    # Engines before 0.1.32 failed what they could not go on with in the execution that had continued already.
    scribe.execution("given-up", started(), continued("2"), poisoned("given-up"))


def broken(scribe: Scribe) -> None:
    scribe.execution("lost", begun("Loop"), continued("2"))
    # An event came later, and cannot begin anything.
    scribe.execution("visited", begun("Loop"), continued("2"))
    scribe.execution(
        "laden",
        child_of("laden-parent", initial_custom_status="from the one before"),
        letter("a"),
        dequeues(),
        letter("b"),
        letter("c", name="parcels"),
        ("ExternalSubscribedPersistentCancelled", {"source_event_id": 3, "reason": "orchestration_terminal"}),
        continued('"a \\"loop\\" 🧽"'),
    )
    scribe.execution("shown", begun("Loop"), status_set("half"), status_set("done"), continued("3"))
    scribe.remove(orchestrator_queue, {})
    scribe.message("visited", {"ExternalRaised": {"instance": "visited", "name": "ContinueAsNew", "data": "1"}})
    scribe.execution("laden-parent", begun(), asked_child("laden"))


ABSENT, PRESENT = {"continuation": "absent"}, {"continuation": "present"}


def queued(instance_id: str, nth: int, events: int, **fields: object) -> Row:
    """The message that begins the next execution of what was written as the n-th, after so many events."""
    ended_ms = event_time(nth, events)
    message = {"instance": instance_id, "orchestration": "Loop", "input": "2", "version": None, **fields}
    message.setdefault("carry_forward_events", [])
    status = message.pop("initial_custom_status", None)
    if status is not None:
        message["initial_custom_status"] = status
    text = json.dumps({"ContinueAsNew": message}, ensure_ascii=False, separators=(",", ":"))
    columns = {"visible_at": CompletedAt(ended_ms), "attempt_count": 0, "lock_token": None}
    return Row(table="orchestrator_queue", key={"instance_id": instance_id, "work_item": text}, columns=columns)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(instance_id=name, execution_id=1, observed=ABSENT, expected=PRESENT, repair="unsafe")
        for name in ("lost", "visited", "laden", "shown")
    ],
    repaired=[
        queued("lost", 1, 2),
        queued("visited", 2, 2),
        queued(
            "laden",
            3,
            7,
            orchestration="Order",
            input='"a \\"loop\\" 🧽"',
            parent_instance="laden-parent",
            parent_id=2,
            parent_execution_id=1,
            carry_forward_events=[["letters", "b"], ["parcels", "c"]],
            initial_custom_status="from the one before",
        ),
        queued("shown", 4, 4, input="3", initial_custom_status="done"),
    ],
)

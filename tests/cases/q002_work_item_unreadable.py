from cases.case import Case, Found, Row
from cases.payloads import asked_child, subscribed, timer
from cases.work import raised_to, reprinted
from holystone.demo.scribe import Scribe, completed, failed_with, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, worker_queue

AWKWARD = 'tab\t quote" back\\slash \u0001 é 😀 \u2028 /path </script> \x7f "instance":"no" {"type":1}'


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), subscribed(), scheduled(input=AWKWARD), timer(1), asked_child())
    # One of the messages is the activity's answer.
    scribe.remove(worker_queue, {"instance_id": "live"})
    for message in messages("live"):
        scribe.message("live", message)
    scribe.execution("over", started(), completed())
    scribe.message("over", again("over"))
    # A newer engine may have fields that are not known here.
    scribe.message("live", {"ExternalRaised": {"instance": "live", "name": "go", "data": "1", "sender": {"id": "x"}}})
    # PostgreSQL prints messages with spaces, and their fields in another order.
    row = scribe.message("live", raised_to("live"))
    scribe.change(orchestrator_queue, {"id": row}, work_item=reprinted(raised_to("live")))


def messages(instance: str) -> list[dict[str, dict[str, object]]]:
    """One message of each kind that an instance which runs may find, its texts as odd as can be."""
    of = {"instance": instance, "execution_id": 1, "id": 3}
    details = failed_with({"Application": {"kind": "ActivityFailed", "message": AWKWARD, "retryable": False}})[1]
    parent = {"parent_instance": instance, "parent_execution_id": 1, "parent_id": 5}
    start = {"orchestration": "Order", "input": AWKWARD, "version": None, "parent_instance": "p", "parent_id": 2}
    return [
        {"StartOrchestration": {"instance": instance, **start, "execution_id": 1}},
        {"StartOrchestration": {"instance": instance, **start, "parent_execution_id": 1, "execution_id": 1}},
        {"ActivityCompleted": {**of, "result": AWKWARD}},
        {"ActivityFailed": {**of, **details}},
        {"TimerFired": {**of, "id": 4, "fire_at_ms": 1}},
        {"ExternalRaised": {"instance": instance, "name": AWKWARD, "data": AWKWARD}},
        {"SubOrchCompleted": {**parent, "result": ""}},
        {"SubOrchFailed": {**parent, **details}},
        {"CancelInstance": {"instance": instance, "reason": AWKWARD}},
        {"QueueMessage": {"instance": instance, "name": "letters", "data": AWKWARD}},
    ]


def again(instance: str) -> dict[str, dict[str, object]]:
    """The message that begins the next execution, which no execution that runs may find."""
    return {
        "ContinueAsNew": {
            "instance": instance,
            "orchestration": "Order",
            "input": AWKWARD,
            "version": "2.0.0",
            "carry_forward_events": [["letters", AWKWARD]],
            "initial_custom_status": AWKWARD,
        }
    }


MESSAGES = {
    "no-json": ("not JSON", "it cannot be read as JSON: expecting value at character 0"),
    "cut-off": (
        '{"ExternalRaised":{"instance":"cut',
        "it cannot be read as JSON: unterminated string starting at at character 30",
    ),
    "empty": ("", "it cannot be read as JSON: expecting value at character 0"),
    "bare-kind": ('{"ExternalRaised":[]}', "its 'ExternalRaised' should be an object, and is a list"),
    "field-lacks": ('{"ExternalRaised":{"name":"go","data":"1"}}', "in ExternalRaised, 'instance' is missing"),
    "number-as-text": (
        '{"TimerFired":{"instance":"i","execution_id":"1","id":2,"fire_at_ms":1}}',
        "in TimerFired, 'execution_id' should be a whole number from 0 to 2^64 - 1, and is text",
    ),
    "activity": (
        '{"ActivityExecute":{"instance":"i","execution_id":1,"id":2,"name":"Charge","input":"{}"}}',
        "ActivityExecute in orchestrator_queue",
    ),
    "kind-unknown": ('{"Transferred":{"to":"elsewhere"}}', "no engine up to 0.1.32 knows 'Transferred'"),
    "kind-unknown-to-instance": (
        '{"Transferred":{"instance":"kind-unknown-to-instance"}}',
        "no engine up to 0.1.32 knows 'Transferred'",
    ),
}
"""Instance -> what lies in orchestrator_queue for it, and what the matter is."""

WORKER_ITEMS = {
    "worker-kind-unknown": ('{"ActivityTransferred":{"id":2}}', "no engine up to 0.1.32 knows 'ActivityTransferred'"),
    "worker-no-json": (
        "{",
        "it cannot be read as JSON: expecting property name enclosed in double quotes at character 1",
    ),
    "worker-field-lacks": (
        '{"ActivityExecute":{"execution_id":1,"id":2,"name":"Charge","input":"{}"}}',
        "in ActivityExecute, execution 1, 'instance' is missing",
    ),
    "worker-message": (
        '{"ExternalRaised":{"instance":"worker-message","name":"go","data":"1"}}',
        "ExternalRaised in worker_queue",
    ),
}
"""The same of worker_queue."""


def broken(scribe: Scribe) -> None:
    for name, (work_item, _) in MESSAGES.items():
        scribe.execution(name, started(), subscribed())
        scribe.change(orchestrator_queue, {"id": scribe.message(name, raised_to(name))}, work_item=work_item)
    for name, (work_item, _) in WORKER_ITEMS.items():
        scribe.execution(name, started(), subscribed(), scheduled())
        scribe.change(worker_queue, {"instance_id": name}, work_item=work_item)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"work_item": fault},
            expected={"work_item": "readable"},
            repair="unsafe",
        )
        for name, (_, fault) in {**MESSAGES, **WORKER_ITEMS}.items()
    ],
    repaired=[
        *(Row(table="orchestrator_queue", key={"instance_id": name}, columns=None) for name in MESSAGES),
        *(Row(table="worker_queue", key={"instance_id": name}, columns=None) for name in WORKER_ITEMS),
    ],
    also=frozenset({"I009"}),  # once an activity is parked, nothing answers the event that asked for it
)

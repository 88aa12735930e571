from typing import Any

from cases.case import Case, Found, Row
from cases.work import reprinted, routed
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import worker_queue

AWKWARD = 'quote" back\\slash \u0001 é 😀 "tag":"no","session_id":"no","id":9,'


def healthy(scribe: Scribe) -> None:
    scribe.execution("plain", started(), scheduled(input=AWKWARD))
    scribe.execution("routed", started(), routed(session_id=AWKWARD), routed(tag="gpu"))
    scribe.execution(f"id {AWKWARD}", started(), scheduled())
    scribe.execution("many", started(), *[scheduled() for _ in range(12)])
    # Rows that are older than the columns have nothing in them.
    scribe.execution("older", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "older"}, instance_id=None, execution_id=None, activity_id=None)
    for name, routing in {"printed": {}, "printed-routed": {"tag": "gpu", "session_id": "s"}}.items():
        scribe.execution(name, started(), routed(input=AWKWARD, **routing))
        fields = {"instance": name, "execution_id": 1, "id": 2, "name": "Charge", "input": AWKWARD, **routing}
        scribe.change(worker_queue, {"instance_id": name}, work_item=reprinted({"ActivityExecute": fields}))


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "activity": ({"activity_id": 22}, {"activity_id": 2}),
    "execution": ({"execution_id": 11}, {"execution_id": 1}),
    "half": ({"execution_id": None, "activity_id": None}, {"execution_id": 1, "activity_id": 2}),
    "tag": ({"tag": "gpu"}, {"tag": None}),
    "untagged": ({"tag": None}, {"tag": "gpu"}),
    "session": ({"session_id": "other"}, {"session_id": "s"}),
}
"""Instance -> its activity's columns as they are, and as its message says."""


def broken(scribe: Scribe) -> None:
    routing = {"untagged": {"tag": "gpu"}, "session": {"session_id": "s"}}
    for name, (columns, _) in WRONG.items():
        scribe.execution(name, started(), routed(**routing.get(name, {})))
        scribe.change(worker_queue, {"instance_id": name}, **columns)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(instance_id=name, execution_id=None, observed=observed, expected=expected)
        for name, (observed, expected) in WRONG.items()
    ],
    repaired=[
        Row(table="worker_queue", key={"instance_id": name}, columns=expected) for name, (_, expected) in WRONG.items()
    ],
    # By its columns no event has scheduled it, or its execution is not there; by its message all is well.
    also=frozenset(),
)

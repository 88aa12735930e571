from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, func

from cases.case import Case, Found, Row
from cases.payloads import FAR_FUTURE_MS, asked_child, subscribed, timer
from cases.work import reprinted, routed, start_of
from holystone.demo.scribe import Scribe, continued, scheduled, started
from holystone.duroxide.tables import executions, orchestrator_queue, worker_queue

AWKWARD = 'quote" back\\slash \u0001 é 😀 ","name":"no","input":"no","tag":"no"'


def child_of(parent: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """The message that begins the child which event 2 of the parent has asked for."""
    start = start_of(f"{parent}::sub::2")["StartOrchestration"]
    return {"StartOrchestration": {**start, "parent_instance": parent, "parent_id": 2, **fields}}


def healthy(scribe: Scribe) -> None:
    scribe.execution("plain", started(), scheduled(input=AWKWARD), timer())
    scribe.execution("routed", started(), routed(session_id=AWKWARD, tag="gpu"))
    scribe.execution("chain", started(input="1"), continued(input=AWKWARD))
    scribe.execution("parent", started(), asked_child())
    scribe.message("parent::sub::2", child_of("parent"))
    scribe.execution("old", started(), scheduled(input=AWKWARD))
    scribe.change(worker_queue, {"instance_id": "old"}, instance_id=None, execution_id=None, activity_id=None)
    scribe.execution("printed", started(), scheduled(input=AWKWARD))
    fields = {"instance": "printed", "execution_id": 1, "id": 2, "name": "Charge", "input": AWKWARD}
    scribe.change(worker_queue, {"instance_id": "printed"}, work_item=reprinted({"ActivityExecute": fields}))
    in_doubt(scribe)
    # A client begins what nobody has asked for.
    scribe.message("root", start_of("root"))


def in_doubt(scribe: Scribe) -> None:
    """Children of which nothing is said: another execution may have asked for them, or they have begun already."""
    scribe.execution("chained", started(), continued())
    scribe.remove(orchestrator_queue, {"instance_id": "chained"})
    scribe.execution("chained", started(), asked_child(), execution_id=2)
    scribe.message("chained::sub::2", child_of("chained", input="[]"))
    scribe.execution("asks", started(), asked_child())
    scribe.message("asks::sub::2", child_of("asks", input="[]"))
    scribe.message("asks::sub::2", child_of("asks"))
    scribe.execution("told", started(), asked_child())
    scribe.execution("told::sub::2", started(parent="told"), subscribed())
    scribe.message("told::sub::2", child_of("told", input="[]"))
    # A number that is too large for a column.
    scribe.message("huge::sub::2", child_of("huge", parent_id=2**63))


CHARGE, NOTHING, GPU, SESSION = '"name":"Charge"', '"input":"{}"', ',"tag":"gpu"', ',"session_id":"s"'

ACTIVITIES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "other-name": ({}, {CHARGE: '"name":"Refund"'}, {"name": "Refund"}, {"name": "Charge"}),
    "other-input": ({}, {NOTHING: '"input":"[]"'}, {"input": "[]"}, {"input": "{}"}),
    "other-tag": ({"tag": "gpu"}, {GPU: ',"tag":"cpu"'}, {"tag": "cpu"}, {"tag": "gpu"}),
    "no-tag": ({"tag": "gpu"}, {GPU: ""}, {"tag": None}, {"tag": "gpu"}),
    "tagged": ({}, {NOTHING: NOTHING + GPU}, {"tag": "gpu"}, {"tag": None}),
    "other-session": ({"session_id": "s"}, {SESSION: ',"session_id":"t"'}, {"session_id": "t"}, {"session_id": "s"}),
}
"""Instance -> what routes its activity; what is altered in the message; fields of it, and as its event has them."""
PROVEN = {"other-tag", "no-tag", "tagged", "other-session"}
CHAINS: dict[str, dict[str, str]] = {
    "chain": {'"input":"2"': '"input":"3"'},
    # The output tells nothing of the name.
    "chain-renamed": {'"input":"2"': '"input":"3"', '"orchestration":"Order"': '"orchestration":"Refund"'},
    # Here it is rather the event that somebody has altered.
    "chain-retold": {'"input":"2"': '"input":"3"'},
}


def alter(scribe: Scribe, table: Table, instance: str, alterations: Mapping[str, str]) -> None:
    text: Any = table.c.work_item
    for old, new in alterations.items():
        text = func.replace(text, old, new)
    scribe.change(table, {"instance_id": instance}, work_item=text)


def broken(scribe: Scribe) -> None:
    for name, (routing, alterations, _, _) in ACTIVITIES.items():
        scribe.execution(name, started(), routed(**routing))
        alter(scribe, worker_queue, name, alterations)
    for name in ("timer", "timer-moved"):
        scribe.execution(name, started(), timer())
        alter(scribe, orchestrator_queue, name, {str(FAR_FUTURE_MS): "7"})
    scribe.change(orchestrator_queue, {"instance_id": "timer-moved"}, visible_at=scribe.flavour.queue_time(7))
    for name, alterations in CHAINS.items():
        scribe.execution(name, started(), continued(input="2"))
        alter(scribe, orchestrator_queue, name, alterations)
    scribe.change(executions, {"instance_id": "chain-retold"}, output="3")
    scribe.execution("parent", started(), asked_child())
    scribe.message("parent::sub::2", child_of("parent", orchestration="Other", input="[]"))


def activity(instance: str, **routing: str) -> str:
    whole = {"instance": instance, "execution_id": 1, "id": 2, "name": "Charge", "input": "{}", **routing}
    return json.dumps({"ActivityExecute": whole}, separators=(",", ":"))


def found(name: str, cause: str, observed: dict[str, Any], expected: dict[str, Any], repair: str) -> Found:
    return Found(instance_id=name, execution_id=None, observed=observed, expected=expected, cause=cause, repair=repair)


AT = {"fire_at_ms": FAR_FUTURE_MS}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        *(
            found(name, "ActivityExecute", observed, expected, "safe" if name in PROVEN else "unsafe")
            for name, (_, _, observed, expected) in ACTIVITIES.items()
        ),
        found("timer", "TimerFired", {"fire_at_ms": 7}, AT, "safe"),
        found("timer-moved", "TimerFired", {"fire_at_ms": 7}, AT, "unsafe"),
        found("chain", "ContinueAsNew", {"input": "3"}, {"input": "2"}, "safe"),
        found("chain-retold", "ContinueAsNew", {"input": "3"}, {"input": "2"}, "unsafe"),
        found(
            "chain-renamed",
            "ContinueAsNew",
            {"orchestration": "Refund", "input": "3"},
            {"orchestration": "Order", "input": "2"},
            "unsafe",
        ),
        found(
            "parent::sub::2",
            "StartOrchestration",
            {"orchestration": "Other", "input": "[]"},
            {"orchestration": "Order", "input": "{}"},
            "unsafe",
        ),
    ],
    repaired=[
        Row(table="worker_queue", key={"instance_id": name}, columns={"work_item": activity(name, **routing)})
        for name, (routing, _, _, _) in ACTIVITIES.items()
    ],
    # The columns of an activity say what its event says, and visible_at of a timer; the output of chain-retold does
    # not. Of `huge` there is no parent.
    also=frozenset({"E006", "Q004", "Q010", "Q018"}),
)

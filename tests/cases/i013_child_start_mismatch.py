from __future__ import annotations

from typing import Any

from cases.case import Case, Found
from cases.payloads import asked_child, begun, child_answered, child_of, subscribed
from holystone.demo.scribe import Payload, Scribe, completed, continued, failed
from holystone.duroxide.tables import executions, history

AWKWARD = 'quotes " and \\ and ,"parent_instance": and \n and 🧽 \x7f'


def asked(instance: str = "sub::2", **fields: Any) -> Payload:
    kind, told = asked_child(instance)
    return kind, {**told, **fields}


def refused() -> Payload:
    """What the engine answers where there is an instance of that id already."""
    return "SubOrchestrationFailed", {"source_event_id": 2, "details": failed("already exists")[1]["details"]}


def family(scribe: Scribe, parent: str, event: Payload, start: Payload, child: str = "{}::sub::2") -> None:
    """A parent that waits for its child, which waits as well."""
    scribe.execution(parent, begun(), event)
    scribe.execution(child.format(parent), start, subscribed())


def healthy(scribe: Scribe) -> None:
    family(scribe, "plain", asked(), child_of("plain"))
    family(scribe, "awkward", asked(name=AWKWARD, input=AWKWARD), child_of("awkward", name=AWKWARD, input=AWKWARD))
    family(scribe, 'parent "🧽"', asked(), child_of('parent "🧽"'))
    family(scribe, "namer", asked("a-child"), child_of("namer"), child="a-child")
    # The first engines put the parent's id before every name.
    family(scribe, "before", asked("a-name"), child_of("before"), child="before::a-name")
    # Engines before 0.1.30 did not say which execution had asked.
    family(scribe, "old", asked(), child_of("old", parent_execution_id=None))
    scribe.execution("old-loop", begun(), asked("old-loop-child"), continued())
    scribe.execution("old-loop", begun(), asked("old-loop-child", input="2"), execution_id=2)
    scribe.execution("old-loop-child", child_of("old-loop", input="2", parent_execution_id=None), subscribed())
    # The parent goes on, and asks under the same number for the same child with another input; and so does another one.
    scribe.execution("loop", begun(), asked("loop-child"), continued())
    scribe.execution("loop", begun(), asked("loop-child", input="2"), refused(), subscribed(), execution_id=2)
    scribe.execution("other", begun(), asked("loop-child", name="Other", input="3"), refused(), subscribed())
    scribe.execution("loop-child", child_of("loop"), subscribed())
    # A child that continues as new has another input then, and its first execution may be pruned.
    for name in ("chain", "pruned"):
        scribe.execution(name, begun(), asked())
        scribe.execution(f"{name}::sub::2", child_of(name), continued("2"))
        scribe.execution(f"{name}::sub::2", child_of(name, input="2"), subscribed(), execution_id=2)
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "pruned::sub::2", "execution_id": 1})
    # So may be the execution that asked.
    scribe.execution("pruned-parent", begun(), asked("pruned-parent-child"), continued())
    scribe.execution(
        "pruned-parent", begun(), asked("pruned-parent-child", input="2"), refused(), subscribed(), execution_id=2
    )
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "pruned-parent", "execution_id": 1})
    scribe.execution("pruned-parent-child", child_of("pruned-parent"), subscribed())
    # A client began an instance whose id a parent asked for.
    scribe.execution("wants-a-root", begun(), asked("root", input="other"), refused(), subscribed())
    scribe.execution("root", begun(), subscribed())
    # Of two that have ended neither is replayed.
    scribe.execution("ended", begun(), asked(input="altered"), child_answered(), completed())
    scribe.execution("ended::sub::2", child_of("ended"), completed())


LONG = "x" * 1_100_000
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "input": ({"input": "1"}, {}),
    "input-of-child": ({}, {"input": "1"}),
    "name": ({"name": "Other"}, {}),
    "name-of-child": ({}, {"name": "Other"}),
    "both": ({"name": "Other", "input": AWKWARD}, {}),
    "long": ({"input": LONG}, {}),
    "no-longer": ({"input": ""}, {"input": LONG}),
}
"""Name -> what is altered in the parent's event, and what in the child's."""


def broken(scribe: Scribe) -> None:
    for name, (of_parent, of_child) in WRONG.items():
        family(scribe, name, asked(**of_parent), child_of(name, **of_child))
    family(scribe, "old", asked(input="1"), child_of("old", parent_execution_id=None))
    family(scribe, "id", asked("id::sub::7"), child_of("id"))
    family(scribe, "own-id", asked("other-id"), child_of("own-id"), child="an-id")
    scribe.execution("loop", begun(), continued())
    scribe.execution("loop", begun(), asked(input="1"), execution_id=2)
    scribe.execution("loop::sub::2", child_of("loop", parent_execution_id=2), subscribed())
    # One of the two goes on.
    scribe.execution("ended-child", begun(), asked(input="1"))
    scribe.execution("ended-child::sub::2", child_of("ended-child"), completed())
    answer = {"parent_instance": "ended-child", "parent_execution_id": 1, "parent_id": 2, "result": '"done"'}
    scribe.message("ended-child", {"SubOrchCompleted": answer})
    scribe.execution("ended-parent", begun(), asked(input="1"), completed())
    scribe.execution("ended-parent::sub::2", child_of("ended-parent"), subscribed())


TOLD = {"name": "Order", "input": "{}"}
INPUT = ({"input": "{}"}, {"input": "1"})


def found(name: str, observed: dict[str, Any], expected: dict[str, Any]) -> Found:
    return Found(instance_id=name, execution_id=None, observed=observed, expected=expected, repair="none")


def of_wrong(name: str) -> Found:
    of_parent, of_child = WRONG[name]
    fields = {*of_parent, *of_child}
    observed, expected = ({one: altered.get(one, TOLD[one]) for one in fields} for altered in (of_child, of_parent))
    return found(f"{name}::sub::2", observed, expected)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        *map(of_wrong, WRONG),
        *(found(f"{name}::sub::2", *INPUT) for name in ("old", "loop", "ended-child", "ended-parent")),
        found("id::sub::2", {"instance": "id::sub::2"}, {"instance": "id::sub::7"}),
        found("an-id", {"instance": "an-id"}, {"instance": "other-id"}),
    ],
    repaired=[],
)

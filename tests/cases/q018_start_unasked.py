from typing import Any

from cases.case import Case, Found
from cases.i005_parent_mismatch import without_trace
from cases.payloads import asked_child, begun, subscribed
from cases.work import spaced, start_of
from holystone.demo.scribe import Scribe, continued
from holystone.duroxide.tables import executions, history


def child_start(name: str, parent: str | None, **fields: Any) -> dict[str, dict[str, Any]]:
    """The message that begins a child, as the second event of its parent's first execution asks for it."""
    told = start_of(name)["StartOrchestration"]
    named = {"parent_instance": parent, "parent_id": 2, "parent_execution_id": 1, **fields}
    return {"StartOrchestration": {**told, **{field: value for field, value in named.items() if value != "left out"}}}


def healthy(scribe: Scribe) -> None:
    scribe.message("root", start_of("root"))
    for name in ("parent", "older", "spaced"):
        scribe.execution(name, begun(), asked_child(f"{name}-child"))
    scribe.message("parent-child", child_start("parent-child", "parent"))
    # Before 0.1.30 an engine did not say which of the parent's executions had asked.
    scribe.message("older-child", child_start("older-child", "older", parent_execution_id="left out"))
    spaced(scribe, scribe.message("spaced-child", child_start("spaced-child", "spaced")))
    # The parent went on, and the execution that asked is pruned.
    scribe.execution("loop", begun(), asked_child("loop-child"), continued())
    scribe.execution("loop", begun(), subscribed(), execution_id=2)
    scribe.message("loop-child", child_start("loop-child", "loop"))
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "loop", "execution_id": 1})


def broken(scribe: Scribe) -> None:
    scribe.execution("deleted", begun(), asked_child("orphan"))
    scribe.message("orphan", child_start("orphan", "deleted"))
    spaced(scribe, scribe.message("spaced-orphan", child_start("spaced-orphan", "deleted")))
    scribe.message("old-orphan", child_start("old-orphan", "deleted", parent_execution_id="left out"))
    without_trace(scribe, "deleted")
    scribe.message("never-was", child_start("never-was", "nobody"))
    scribe.execution("parent", begun(), subscribed())
    scribe.message("unasked", child_start("unasked", "parent"))
    scribe.message("unnumbered", child_start("unnumbered", "parent", parent_id=None))
    scribe.message("no-such-event", child_start("no-such-event", "parent", parent_id=9))


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"begun_by": "nothing"},
            expected={"begun_by": "an event"},
            repair="none",
        )
        for name in ("orphan", "spaced-orphan", "old-orphan", "never-was", "unasked", "unnumbered", "no-such-event")
    ],
    repaired=[],
)

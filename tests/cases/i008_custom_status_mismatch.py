from cases.case import Case, Found, Row
from cases.payloads import begun, poisoned, status_set, subscribed
from holystone.demo.scribe import Scribe, completed, continued
from holystone.duroxide.tables import executions, history, instances

AWKWARD = '{"status":"no"} \\ \n\t🧽 \u2028'


def healthy(scribe: Scribe) -> None:
    scribe.execution("never", begun(), completed())
    scribe.execution("set", begun(), status_set("one"), status_set(AWKWARD), subscribed())
    scribe.execution("empty", begun(), status_set(""), completed())
    scribe.execution("reset", begun(), status_set("one"), status_set(None), subscribed())
    scribe.execution("carried", begun(), status_set(AWKWARD), continued())
    scribe.execution("carried", begun(initial_custom_status=AWKWARD), continued(), execution_id=2)
    scribe.execution("carried", begun(initial_custom_status=AWKWARD), completed(), execution_id=3)
    scribe.execution("carried-and-reset", begun(), status_set("one"), continued())
    scribe.execution(
        "carried-and-reset", begun(initial_custom_status="one"), status_set(None), completed(), execution_id=2
    )
    scribe.execution("reset-and-carried", begun(), status_set("one"), status_set(None), continued())
    scribe.execution("reset-and-carried", begun(), completed(), execution_id=2)
    # The engine gives an execution up before it could begin, and does not say what was carried.
    scribe.execution("given-up", begun(), status_set("one"), continued())
    scribe.execution("given-up", begun(), poisoned("given-up", 2), execution_id=2)
    # What an older engine carried without saying so, in executions that were pruned since.
    scribe.execution("pruned", begun(), status_set("one"), continued())
    scribe.execution("pruned", begun(), completed(), execution_id=2)
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "pruned", "execution_id": 1})


def broken(scribe: Scribe) -> None:
    scribe.execution("lost", begun(), status_set("one"), subscribed())
    scribe.change(instances, {"instance_id": "lost"}, custom_status=None, custom_status_version=0)
    scribe.execution("old", begun(), status_set("one"), status_set("two"), completed())
    scribe.change(instances, {"instance_id": "old"}, custom_status="one")
    scribe.execution("reset", begun(), status_set("one"), status_set(None), completed())
    scribe.change(instances, {"instance_id": "reset"}, custom_status="one")
    scribe.execution("made-up", begun(), completed())
    scribe.change(instances, {"instance_id": "made-up"}, custom_status="fine")
    for name in ("carried-lost", "carried-changed"):
        scribe.execution(name, begun(), status_set("one"), continued())
        scribe.execution(name, begun(initial_custom_status="one"), subscribed(), execution_id=2)
    scribe.change(instances, {"instance_id": "carried-lost"}, custom_status=None)
    scribe.change(instances, {"instance_id": "carried-changed"}, custom_status="one and a half")


def found(name: str, observed: str | None, expected: str | None) -> Found:
    return Found(
        instance_id=name,
        execution_id=None,
        observed={"custom_status": observed},
        expected={"custom_status": expected},
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("lost", None, "one"),
        found("old", "one", "two"),
        found("reset", "one", None),
        found("made-up", "fine", None),
        found("carried-lost", None, "one"),
        found("carried-changed", "one and a half", "one"),
    ],
    repaired=[
        Row(
            table="instances", key={"instance_id": "lost"}, columns={"custom_status": "one", "custom_status_version": 1}
        ),
        Row(table="instances", key={"instance_id": "old"}, columns={"custom_status": "two"}),
        Row(table="instances", key={"instance_id": "reset"}, columns={"custom_status": None}),
        Row(table="instances", key={"instance_id": "made-up"}, columns={"custom_status": None}),
        Row(table="instances", key={"instance_id": "carried-lost"}, columns={"custom_status": "one"}),
        Row(table="instances", key={"instance_id": "carried-changed"}, columns={"custom_status": "one"}),
    ],
)

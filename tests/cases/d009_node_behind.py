from typing import Any

from cases.case import Case, Found, Row
from cases.extension import LEFT, RESULT, RIGHT, begun, ended, install, instance, writes_node
from holystone.demo.scribe import Payload, Scribe, cancelled
from holystone.pg_durable import tables as df

WAITS: Payload = ("ExternalSubscribed", {"name": "go"})


def healthy(scribe: Scribe) -> None:
    """A node goes by its writes, and by nothing else: a branch stays as it was when the instance was cancelled."""
    install(scribe)
    instance(scribe, "a0000001", "completed", ended(scribe, "a0000001"), node="completed")
    instance(scribe, "a0000002", "cancelled", [*begun(scribe, "a0000002"), cancelled()])
    # A write that was under way may have been made, or not.
    under_way = writes_node("a0000003", LEFT, "completed", 8, RESULT)[:1]
    instance(scribe, "a0000003", "cancelled", [*begun(scribe, "a0000003"), *under_way, cancelled()], node="completed")
    # A later write had been before this one, which was not made.
    asked, done = writes_node("a0000004", LEFT, "failed", 8, "too late")
    fenced = (done[0], {**done[1], "result": "Node status write fenced (superseded by newer generation)"})
    instance(scribe, "a0000004", "running", [*begun(scribe, "a0000004"), asked, fenced, WAITS])


def broken(scribe: Scribe) -> None:
    install(scribe)
    instance(scribe, "a0000001", "completed", ended(scribe, "a0000001"))
    instance(scribe, "a0000002", "running", [*begun(scribe, "a0000002"), WAITS])
    change = {"status": "failed", "result": '"by hand"'}
    scribe.change(df.nodes, {"instance_id": "a0000002", "id": RIGHT}, **change)


def found(instance_id: str, before: dict[str, Any], after: dict[str, Any]) -> Found:
    return Found(instance_id=instance_id, execution_id=None, observed=before, expected=after)


def state(status: str, result: str | None, details: str | None) -> dict[str, Any]:
    return {"status": status, "result": result, "status_details": details}


BY = '{"execution_id": "a0000001::1"}'

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", state("running", None, BY), state("completed", '{"rows": [], "row_count": 0}', BY)),
        found("a0000002", state("failed", '"by hand"', None), state("pending", None, None)),
    ],
    repaired=[
        Row(
            table="df.nodes",
            key={"instance_id": "a0000001", "id": LEFT},
            columns={"status": "completed", "result": {"rows": [], "row_count": 0}, "query": "SELECT 1"},
        ),
        Row(
            table="df.nodes",
            key={"instance_id": "a0000002", "id": RIGHT},
            columns={"status": "pending", "result": None, "status_details": None},
        ),
    ],
    alters_schema=True,
)

from typing import Any

from cases.case import Case, CompletedAt, Found, Row, event_time
from cases.extension import LEFT, RIGHT, ROOT, begun, ended, install, instance
from holystone.demo.scribe import Scribe, started
from holystone.pg_durable.activities import ORCHESTRATION, SATELLITE_PREFIX


def healthy(scribe: Scribe) -> None:
    """A child has no row, nor has what another database has started."""
    install(scribe)
    instance(scribe, "a0000001", "completed", ended(scribe, "a0000001"), node="completed")
    waits = ("ExternalSubscribed", {"name": "go"})
    scribe.execution(
        f"{SATELLITE_PREFIX}16384-00005eed000000000000000000000007-a0000002", started(ORCHESTRATION), waits
    )


def broken(scribe: Scribe) -> None:
    """Of neither is there a row, as after pg_dump and restore."""
    install(scribe)
    scribe.execution("a0000001", *ended(scribe, "a0000001"))
    scribe.execution("a0000002", *begun(scribe, "a0000002"), ("ExternalSubscribed", {"name": "go"}))


def found(instance_id: str, cause: str) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed={"df_row": "absent"},
        expected={"df_row": "present"},
        cause=cause,
        repair="unsafe",
    )


def row(id: str, **columns: Any) -> Row:
    return Row(table="df.instances", key={"id": id}, columns={"label": "order", "root_node": ROOT, **columns})


def node(id: str, node: str, **columns: Any) -> Row:
    return Row(table="df.nodes", key={"instance_id": id, "id": node}, columns=columns)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[found("a0000001", "ended"), found("a0000002", "running")],
    repaired=[
        row(
            "a0000001",
            status="completed",
            created_at=CompletedAt(event_time(1, 1)),
            completed_at=CompletedAt(event_time(1, 11)),
        ),
        row("a0000002", status="running", completed_at=None),
        node("a0000001", LEFT, status="completed", result={"rows": [], "row_count": 0}, query="SELECT 1"),
        node("a0000001", RIGHT, status="pending", result=None, status_details=None),
        node("a0000002", ROOT, node_type="THEN", left_node=LEFT, right_node=RIGHT, query=None),
        node("a0000002", LEFT, status="running", status_details={"execution_id": "a0000002::1"}),
    ],
    alters_schema=True,
)

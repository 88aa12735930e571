from cases.case import Case, CompletedAt, Found, Row, event_time
from cases.extension import LONG_AGO, begun, ended, install, instance
from holystone.demo.scribe import BEGUN_MS, Payload, Scribe, started
from holystone.pg_durable.activities import ORCHESTRATION

WAITS: Payload = ("ExternalSubscribed", {"name": "go"})


def healthy(scribe: Scribe) -> None:
    """One is pending until the worker has written that it runs."""
    install(scribe)
    instance(scribe, "a0000001", "pending", [*begun(scribe, "a0000001")[:4]], node="pending")
    instance(scribe, "a0000002", "running", [*begun(scribe, "a0000002"), WAITS])


def broken(scribe: Scribe) -> None:
    install(scribe)
    instance(scribe, "a0000001", None, [*begun(scribe, "a0000001"), WAITS])
    instance(scribe, "a0000002", "pending", [*begun(scribe, "a0000002"), WAITS])
    instance(scribe, "a0000003", "running", [*begun(scribe, "a0000003"), WAITS], completed_at=LONG_AGO)
    instance(scribe, "a0000004", "completed", ended(scribe, "a0000004"), node="completed", completed_at=None)
    instance(scribe, "a0000005", None, [started(ORCHESTRATION), WAITS], node="pending")


def found(
    instance_id: str,
    before: tuple[str | None, CompletedAt | None],
    after: tuple[str, CompletedAt | None],
    cause: str,
) -> Found:
    names = ("status", "completed_at")
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed=dict(zip(names, before, strict=True)),
        expected=dict(zip(names, after, strict=True)),
        cause=cause,
    )


END = CompletedAt(event_time(4, 11))

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", (None, None), ("running", None), "null"),
        found("a0000002", ("pending", None), ("running", None), "running-write-lost"),
        found("a0000003", ("running", CompletedAt(BEGUN_MS)), ("running", None), "completed_at"),
        found("a0000004", ("completed", None), ("completed", END), "completed_at"),
        found("a0000005", (None, None), ("pending", None), "null"),
    ],
    repaired=[
        Row(table="df.instances", key={"id": "a0000001"}, columns={"status": "running"}),
        Row(table="df.instances", key={"id": "a0000002"}, columns={"status": "running"}),
        Row(table="df.instances", key={"id": "a0000003"}, columns={"status": "running", "completed_at": None}),
        Row(table="df.instances", key={"id": "a0000004"}, columns={"status": "completed", "completed_at": END}),
        Row(table="df.instances", key={"id": "a0000005"}, columns={"status": "pending"}),
    ],
    alters_schema=True,
)

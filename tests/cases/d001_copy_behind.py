from cases.case import Case, CompletedAt, Found, Row, event_time
from cases.extension import begun, ended, install, instance
from holystone.demo.scribe import Scribe, cancelled, failed, started
from holystone.pg_durable.activities import ORCHESTRATION


def healthy(scribe: Scribe) -> None:
    """Instances that have ended in each way, and one that goes on."""
    install(scribe)
    instance(scribe, "a0000001", "completed", ended(scribe, "a0000001"), node="completed")
    instance(scribe, "a0000002", "failed", ended(scribe, "a0000002", failed(), "failed"), node="completed")
    instance(scribe, "a0000003", "cancelled", [*begun(scribe, "a0000003"), cancelled()])
    instance(scribe, "a0000004", "running", [*begun(scribe, "a0000004"), ("ExternalSubscribed", {"name": "go"})])


def broken(scribe: Scribe) -> None:
    install(scribe)
    # The worker could not write the row, which somebody had locked.
    instance(scribe, "a0000001", "pending", ended(scribe, "a0000001"), node="completed")
    # The transaction that called df.cancel was rolled back.
    instance(scribe, "a0000002", "running", [*begun(scribe, "a0000002"), cancelled()])
    # The one that called df.start took too long.
    instance(scribe, "a0000003", "pending", [started(ORCHESTRATION), failed()], node="pending")
    instance(scribe, "a0000004", None, [*begun(scribe, "a0000004"), failed()])


def found(instance_id: str, before: str | None, after: str, cause: str) -> Found:
    ms = event_time(1, 11)
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed={"status": before, "completed_at": None},
        expected={"status": after, "completed_at": CompletedAt(ms) if after == "completed" else None},
        cause=cause,
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", "pending", "completed", "completed"),
        found("a0000002", "running", "cancelled", "cancelled"),
        found("a0000003", "pending", "failed", "start-refused"),
        found("a0000004", None, "failed", "failed"),
    ],
    repaired=[
        Row(
            table="df.instances",
            key={"id": "a0000001"},
            columns={"status": "completed", "completed_at": CompletedAt(event_time(1, 11)), "label": "order"},
        ),
        Row(
            table="df.instances",
            key={"id": "a0000002"},
            columns={
                "status": "cancelled",
                "completed_at": None,
                "updated_at": CompletedAt(event_time(2, 8)),
            },
        ),
        Row(table="df.instances", key={"id": "a0000003"}, columns={"status": "failed", "completed_at": None}),
        Row(table="df.instances", key={"id": "a0000004"}, columns={"status": "failed", "completed_at": None}),
    ],
    alters_schema=True,
)

from datetime import UTC, datetime, timedelta

from cases.case import Case, Found, Row
from cases.extension import begun, install, instance, rows
from holystone.demo.scribe import Scribe, failed

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def healthy(scribe: Scribe) -> None:
    """Retention takes what is old; one is about to start."""
    install(scribe)
    rows(scribe, "a0000001", "failed")
    instance(scribe, "a0000002", "failed", [*begun(scribe, "a0000002"), failed()])
    rows(scribe, "a0000003", "running", created_at=datetime.now(UTC))


def broken(scribe: Scribe) -> None:
    install(scribe)
    rows(scribe, "a0000001", "running")
    rows(scribe, "a0000002", "pending", node="pending")
    rows(scribe, "a0000003", "cancelled", created_at=YESTERDAY)


def found(instance_id: str, cause: str, repair: str) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed={"engine": "absent"},
        expected={"engine": "present"},
        cause=cause,
        repair=repair,
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", "live", "safe"),
        found("a0000002", "live", "safe"),
        found("a0000003", "ended", "none"),
    ],
    repaired=[
        Row(table="df.instances", key={"id": "a0000001"}, columns={"status": "failed", "completed_at": None}),
        Row(table="df.instances", key={"id": "a0000002"}, columns={"status": "failed"}),
        Row(table="df.instances", key={"id": "a0000003"}, columns={"status": "cancelled"}),
    ],
    alters_schema=True,
)

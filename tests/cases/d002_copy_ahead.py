from cases.case import Case, CompletedAt, Found, Row
from cases.extension import begun, install, instance, rows, writes_status
from holystone.demo.scribe import BEGUN_MS, Payload, Scribe
from holystone.pg_durable.activities import ORCHESTRATION

WAITS: Payload = ("ExternalSubscribed", {"name": "go"})
CANCEL: Payload = ("OrchestrationCancelRequested", {"reason": "not needed"})


def start(id: str) -> dict[str, object]:
    given = {"instance": id, "orchestration": ORCHESTRATION, "input": "{}", "version": None, "execution_id": 1}
    return {"StartOrchestration": {**given, "parent_instance": None, "parent_id": None}}


def healthy(scribe: Scribe) -> None:
    """The worker is down, or the engine is about to cancel."""
    install(scribe)
    written = [*begun(scribe, "a0000001"), *writes_status("a0000001", "completed", 8)[:1]]
    instance(scribe, "a0000001", "completed", written)
    instance(scribe, "a0000002", "cancelled", [*begun(scribe, "a0000002"), WAITS])
    scribe.message("a0000002", {"CancelInstance": {"instance": "a0000002", "reason": "not needed"}})
    rows(scribe, "a0000003", "pending", node="pending")
    scribe.message("a0000003", start("a0000003"))


def broken(scribe: Scribe) -> None:
    install(scribe)
    # The owner has written it.
    instance(scribe, "a0000001", "completed", [*begun(scribe, "a0000001"), WAITS])
    # The engine's tables are of an older dump.
    instance(scribe, "a0000002", "cancelled", [*begun(scribe, "a0000002"), WAITS])
    rows(scribe, "a0000003", "failed", node="pending")
    scribe.message("a0000003", start("a0000003"))


def found(instance_id: str, before: str, after: str) -> Found:
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed={"status": before, "completed_at": CompletedAt(BEGUN_MS) if before == "completed" else None},
        expected={"status": after, "completed_at": None},
        cause=before,
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", "completed", "running"),
        found("a0000002", "cancelled", "running"),
        found("a0000003", "failed", "pending"),
    ],
    repaired=[
        Row(
            table="df.instances",
            key={"id": "a0000001"},
            columns={"status": "running", "completed_at": None, "updated_at": CompletedAt(BEGUN_MS)},
        ),
        Row(table="df.instances", key={"id": "a0000002"}, columns={"status": "running"}),
        Row(table="df.instances", key={"id": "a0000003"}, columns={"status": "pending"}),
    ],
    alters_schema=True,
)

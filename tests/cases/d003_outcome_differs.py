from cases.case import Case, CompletedAt, Found, Row, event_time
from cases.extension import begun, ended, install, instance
from holystone.demo.scribe import BEGUN_MS, Scribe, cancelled, failed, started
from holystone.pg_durable.activities import ORCHESTRATION


def healthy(scribe: Scribe) -> None:
    """Cancelled before it ever ran, it has failed by itself."""
    install(scribe)
    instance(scribe, "a0000001", "cancelled", [started(ORCHESTRATION), failed()], node="pending")
    instance(scribe, "a0000002", "completed", ended(scribe, "a0000002"), node="completed")


def broken(scribe: Scribe) -> None:
    install(scribe)
    instance(scribe, "a0000001", "failed", ended(scribe, "a0000001"), node="completed")
    instance(scribe, "a0000002", "failed", [*begun(scribe, "a0000002"), cancelled()])
    # The worker has written how it ended, and then the engine has found it cancelled.
    instance(scribe, "a0000003", "completed", ended(scribe, "a0000003", cancelled()), node="completed")
    # The worker has written one end, and the engine has come to another one.
    instance(scribe, "a0000004", "completed", ended(scribe, "a0000004", failed()), node="completed")


def found(instance_id: str, before: str, after: str, cause: str, repair: str = "safe") -> Found:
    times = {"completed": CompletedAt(event_time(1, 11))}
    if before == "completed":
        times = {"completed": CompletedAt(BEGUN_MS)}
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed={"status": before, "completed_at": times.get(before)},
        expected={"status": after, "completed_at": times.get(after)},
        cause=cause,
        repair=repair,
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", "failed", "completed", "completed"),
        found("a0000002", "failed", "cancelled", "cancelled"),
        found("a0000003", "completed", "cancelled", "cancelled-too-late", repair="none"),
        found("a0000004", "completed", "failed", "failed", repair="unsafe"),
    ],
    repaired=[
        Row(
            table="df.instances",
            key={"id": "a0000001"},
            columns={"status": "completed", "completed_at": CompletedAt(event_time(1, 11))},
        ),
        Row(table="df.instances", key={"id": "a0000002"}, columns={"status": "cancelled", "completed_at": None}),
        Row(table="df.instances", key={"id": "a0000003"}, columns={"status": "completed"}),
        Row(table="df.instances", key={"id": "a0000004"}, columns={"status": "failed", "completed_at": None}),
    ],
    alters_schema=True,
)

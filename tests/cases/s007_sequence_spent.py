from cases.case import Case, Found, OnFlavour
from cases.objects import execute
from holystone.demo.scribe import Scribe

LAST = 2**63 - 1
ITEM = """'{"CancelInstance":{"instance":"a","reason":"b"}}'"""


def message(scribe: Scribe, number: int) -> None:
    execute(
        scribe,
        "INSERT INTO orchestrator_queue (id, instance_id, work_item, visible_at, created_at)"
        f" VALUES ({number}, 'a', {ITEM}, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
    )


def healthy(scribe: Scribe) -> None:
    """Numbers may be left out, and a sequence may have been set far ahead."""
    if scribe.flavour.name == "postgresql":
        execute(scribe, f"SELECT setval('worker_queue_id_seq', {LAST - 1_000_001})")
    else:
        execute(scribe, f"INSERT INTO sqlite_sequence VALUES ('worker_queue', {LAST - 1_000_001})")


def broken(scribe: Scribe) -> None:
    if scribe.flavour.name == "postgresql":
        message(scribe, 7)
        execute(scribe, "DELETE FROM orchestrator_queue WHERE id = 1")
        execute(scribe, "SELECT setval('orchestrator_queue_id_seq', 3)")
    else:
        execute(scribe, f"INSERT INTO sqlite_sequence VALUES ('orchestrator_queue', {LAST - 1})")


NAME = OnFlavour(sqlite="sequence of orchestrator_queue", postgresql="sequence orchestrator_queue_id_seq")

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={
                "sequence": NAME,
                "state": OnFlavour(
                    sqlite=f"ends at {LAST:,}, and has 1 left after {LAST - 1:,}",
                    postgresql="goes on with 4, but orchestrator_queue has messages up to 7",
                ),
            },
            expected={"sequence": NAME, "state": "none"},
            repair="none",
        )
    ],
    repaired=[],
    also=frozenset({"Q001"}),
    alters_schema=True,
)

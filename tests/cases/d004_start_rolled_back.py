from cases.case import Case, Found
from cases.extension import begun, install, instance
from holystone.demo.scribe import Payload, Scribe, failed, scheduled, started
from holystone.pg_durable.activities import LOAD_GRAPH, ORCHESTRATION


def unseen(id: str) -> list[Payload]:
    """The events of an instance whose rows the worker has waited for in vain."""
    not_found = {"Application": {"kind": "ActivityFailed", "message": f"Instance {id} not found", "retryable": False}}
    return [
        started(ORCHESTRATION),
        scheduled(LOAD_GRAPH, id),
        ("ActivityFailed", {"source_event_id": 2, "details": not_found}),
        failed(),
    ]


def healthy(scribe: Scribe) -> None:
    """One waits for its rows still; one is another database's; one is nothing of pg_durable's."""
    install(scribe)
    scribe.execution("a0000001", *unseen("a0000001")[:2])
    scribe.execution("pgdf-16384-00005eed000000000000000000000007-a0000002", *unseen("a0000002"))
    scribe.execution("order", started(), failed())
    instance(scribe, "a0000003", "failed", [*begun(scribe, "a0000003"), failed()])


def broken(scribe: Scribe) -> None:
    install(scribe)
    scribe.execution("a0000001", *unseen("a0000001"))


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="a0000001",
            execution_id=None,
            observed={"df_row": "absent"},
            expected={"df_row": "present"},
            cause="start-rolled-back",
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)

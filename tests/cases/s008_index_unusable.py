from cases.case import Case, Found
from cases.objects import execute
from holystone.demo.scribe import Scribe

STATE = "UPDATE pg_catalog.pg_index SET {} WHERE indexrelid = '{}'::regclass"


def healthy(scribe: Scribe) -> None:
    """An index of others that is not valid yet may be in the making."""
    execute(scribe, "CREATE INDEX by_status ON executions (status)")
    execute(scribe, STATE.format("indisvalid = false", "by_status"))


def broken(scribe: Scribe) -> None:
    execute(scribe, STATE.format("indisvalid = false, indisready = false", "kv_delta_pkey"))
    execute(scribe, STATE.format("indislive = false, indisvalid = false", "idx_orch_lock"))


def found(index: str, state: str) -> Found:
    return Found(
        instance_id=None,
        execution_id=None,
        observed={"index": index, "state": state},
        expected={"index": index, "state": "none"},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("index kv_delta_pkey on kv_delta", "not valid, not ready"),
        found("index idx_orch_lock on orchestrator_queue", "not valid, not live"),
    ],
    repaired=[],
    also=frozenset({"S001"}),
    alters_schema=True,
)

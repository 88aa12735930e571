from typing import Any

from cases.case import Case, Found
from cases.extension import LEFT, RIGHT, ROOT, ended, install, instance
from holystone.demo.scribe import Scribe
from holystone.pg_durable import tables as df


def healthy(scribe: Scribe) -> None:
    """Nodes of each kind that names others."""
    install(scribe)
    instance(scribe, "a0000001", "completed", ended(scribe, "a0000001"), node="completed")
    change(scribe, ROOT, node_type="IF", query=f'{{"condition_node":"{RIGHT}"}}')
    instance(scribe, "a0000002", "completed", ended(scribe, "a0000002"), node="completed")
    change(scribe, ROOT, "a0000002", node_type="JOIN", query=f'{{"extra_nodes": ["{RIGHT}", "{LEFT}"]}}')


def change(scribe: Scribe, node: str, instance_id: str = "a0000001", **values: Any) -> None:
    scribe.change(df.nodes, {"instance_id": instance_id, "id": node}, **values)


def remove(scribe: Scribe, node: str, instance_id: str = "a0000001") -> None:
    scribe.remove(df.nodes, {"instance_id": instance_id, "id": node})


def broken(scribe: Scribe) -> None:
    install(scribe)
    for id in ("a0000001", "a0000002", "a0000003", "a0000004"):
        instance(scribe, id, "completed", ended(scribe, id), node="completed")
    remove(scribe, ROOT)
    remove(scribe, RIGHT, "a0000002")
    change(scribe, ROOT, "a0000003", node_type="LOOP", right_node=None, query='{"condition_node": "0000000c"}')
    change(scribe, ROOT, "a0000004", node_type="JOIN", query=f'{{"extra_nodes":["{LEFT}","0000000e"]}}')
    scribe.add(df.nodes, instance_id="a0000009", id=ROOT, node_type="SQL", query="SELECT 1", status="pending")


def found(instance_id: str, missing: str | None = None, instance: str = "present") -> Found:
    nodes: list[str] = [] if missing is None else [missing]
    return Found(
        instance_id=instance_id,
        execution_id=None,
        observed={"instance": instance, "missing_nodes": nodes},
        expected={"instance": "present", "missing_nodes": []},
        repair="none",
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("a0000001", ROOT),
        found("a0000002", RIGHT),
        found("a0000003", "0000000c"),
        found("a0000004", "0000000e"),
        found("a0000009", instance="absent"),
    ],
    repaired=[],
    # The node without an instance has no history either, and says nothing else than that it has not begun.
    also=frozenset({"D009"}),
    alters_schema=True,
)

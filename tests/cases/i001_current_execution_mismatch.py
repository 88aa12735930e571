from cases.case import Case, Found, Row, execution
from holystone.demo.scribe import Scribe, completed, continued, scheduled, started
from holystone.duroxide.tables import executions, history, instances


def loop(scribe: Scribe, instance_id: str) -> None:
    scribe.execution(instance_id, started(), continued("2"))
    scribe.execution(instance_id, started(), continued("3"), execution_id=2)
    scribe.execution(instance_id, started(), scheduled(), execution_id=3)


def healthy(scribe: Scribe) -> None:
    loop(scribe, "loop")
    loop(scribe, "pruned")
    for table in (history, executions):
        for execution_id in (1, 2):
            scribe.remove(table, execution("pruned", execution_id))


def broken(scribe: Scribe) -> None:
    loop(scribe, "behind")
    scribe.change(instances, {"instance_id": "behind"}, current_execution_id=1)
    scribe.execution("ahead", started(), completed())
    scribe.change(instances, {"instance_id": "ahead"}, current_execution_id=9)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"current_execution_id": observed},
            expected={"current_execution_id": expected},
        )
        for name, observed, expected in (("ahead", 9, 1), ("behind", 1, 3))
    ],
    repaired=[
        Row(table="instances", key={"instance_id": "behind"}, columns={"current_execution_id": 3}),
        Row(table="instances", key={"instance_id": "ahead"}, columns={"current_execution_id": 1}),
    ],
)

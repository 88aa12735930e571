from sqlalchemy import func

from cases.case import Case, Found, Row
from cases.payloads import subscribed
from holystone.demo.scribe import Scribe, started
from holystone.duroxide.tables import history

AWKWARD = "it's \"a\" 'name'\n🧽 \\ \u0001"


def healthy(scribe: Scribe) -> None:
    scribe.execution(AWKWARD, started(), subscribed())


def broken(scribe: Scribe) -> None:
    for instance_id, old, new in (
        ("renumbered", '"event_id":2', '"event_id":7'),
        ("moved", '"execution_id":1', '"execution_id":3'),
        ("anothers", 'anothers","execution_id"', 'other","execution_id"'),
    ):
        scribe.execution(instance_id, started(), subscribed())
        second = {"instance_id": instance_id, "event_id": 2}
        scribe.change(history, second, event_data=func.replace(history.c.event_data, old, new))


def found(of: str, /, **said: object) -> Found:
    key = {"instance_id": of, "execution_id": 1, "event_id": 2}
    return Found(instance_id=of, execution_id=1, observed=key | said, expected=key, repair="none")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("renumbered", event_id=7),
        found("moved", execution_id=3),
        found("anothers", instance_id="other"),
    ],
    repaired=[Row(table="history", key={"instance_id": "moved", "event_id": 2}, columns={"execution_id": 1})],
)

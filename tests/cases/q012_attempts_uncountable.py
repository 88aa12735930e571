from cases.case import Case, Found, OnFlavour, Row
from cases.payloads import subscribed
from cases.work import raised_to
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, worker_queue


def healthy(scribe: Scribe) -> None:
    scribe.execution("message", started(), subscribed())
    scribe.message("message", raised_to("message"))
    scribe.execution("activity", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "activity"}, attempt_count=7)


LAST = 2**31 - 1
# SQLite forbids a number below 0, and PostgreSQL's column takes numbers alone.
COUNTS = {
    "message": OnFlavour(sqlite="many", postgresql=-1),
    "last": OnFlavour(sqlite=LAST, postgresql=LAST),
    "activity": OnFlavour(sqlite=1.5, postgresql=-1),
}


def broken(scribe: Scribe) -> None:
    for name, count in COUNTS.items():
        value = getattr(count, scribe.flavour.name)
        if name == "activity":
            scribe.execution(name, started(), scheduled())
            scribe.change(worker_queue, {"instance_id": name}, attempt_count=value)
            continue
        scribe.execution(name, started(), subscribed())
        scribe.message(name, raised_to(name))
        scribe.change(orchestrator_queue, {"instance_id": name}, attempt_count=value)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"attempt_count": count},
            expected={"attempt_count": 0},
        )
        for name, count in COUNTS.items()
    ],
    repaired=[
        Row(
            table="worker_queue" if name == "activity" else "orchestrator_queue",
            key={"instance_id": name},
            columns={"attempt_count": 0},
        )
        for name in COUNTS
    ],
)

from cases.case import Case, Found
from cases.payloads import subscribed
from cases.work import raised_to, start_of
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, worker_queue


def healthy(scribe: Scribe) -> None:
    scribe.message("waits-for-code", start_of("waits-for-code"))
    scribe.change(orchestrator_queue, {"instance_id": "waits-for-code"}, attempt_count=7)
    scribe.execution("live", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "live"}, attempt_count=7)


ATTEMPTS = {"near": 8, "at": 10, "beyond": 11, "activity": 9}


def broken(scribe: Scribe) -> None:
    for name in ("near", "at", "beyond"):
        scribe.execution(name, started(), subscribed())
        row = scribe.message(name, raised_to(name))
        scribe.change(orchestrator_queue, {"id": row}, attempt_count=ATTEMPTS[name])
    scribe.execution("activity", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "activity"}, attempt_count=ATTEMPTS["activity"])


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"attempt_count": attempts},
            expected={"attempt_count": "below 8"},
            cause="at-the-limit" if attempts >= 10 else "near-the-limit",
            repair="none",
        )
        for name, attempts in ATTEMPTS.items()
    ],
    repaired=[],
)

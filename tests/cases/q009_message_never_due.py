from cases.case import Case, Found, Row
from cases.payloads import FAR_FUTURE_MS, subscribed, timer
from cases.work import raised_to
from holystone.demo.scribe import BEGUN_MS, Scribe, scheduled, started
from holystone.store.tables import orchestrator_queue, worker_queue


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), subscribed(), scheduled(), timer())
    scribe.message("live", raised_to("live"))
    scribe.message("live", raised_to("live"), FAR_FUTURE_MS)
    scribe.message("live", raised_to("live"), 0)


MADE_MS = BEGUN_MS + 3_600_000
NEVER = {"as-text": "2025-10-09 09:00:00", "no-time": "soon", "nothing": None}
DUE = {"as-text": 1_760_000_400_000, "no-time": MADE_MS, "nothing": MADE_MS}


def broken(scribe: Scribe) -> None:
    for name in NEVER:
        scribe.execution(name, started(), subscribed())
    for name, visible_at in NEVER.items():
        row = scribe.message(name, raised_to(name))
        # When it was made is all that is left to go by.
        made_at = scribe.flavour.created_at(MADE_MS)
        scribe.change(orchestrator_queue, {"id": row}, visible_at=visible_at, created_at=made_at)
    scribe.execution("activity", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "activity"}, visible_at="2025-10-09 09:00:00")


FOUND = {**NEVER, "activity": "2025-10-09 09:00:00"}
EXPECTED = {**DUE, "activity": 1_760_000_400_000}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"visible_at": visible_at},
            expected={"visible_at": EXPECTED[name]},
        )
        for name, visible_at in FOUND.items()
    ],
    repaired=[
        *(Row(table="orchestrator_queue", key={"instance_id": n}, columns={"visible_at": ms}) for n, ms in DUE.items()),
        Row(table="worker_queue", key={"instance_id": "activity"}, columns={"visible_at": EXPECTED["activity"]}),
    ],
)

from datetime import UTC, datetime
from typing import Any

from cases.case import Case, Found, OnFlavour, Row
from cases.payloads import subscribed, timer
from cases.work import raised_to
from holystone.clock import now_ms
from holystone.demo.scribe import BEGUN_MS, Scribe, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, worker_queue


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), subscribed(), scheduled(), timer())
    scribe.message("live", raised_to("live"))
    scribe.message("live", raised_to("live"), now_ms() + 60_000)
    scribe.message("live", raised_to("live"), 0)


MADE_MS = BEGUN_MS + 3_600_000
MADE = datetime.fromtimestamp(MADE_MS / 1000, UTC)
TEXT_MS = 1_760_000_400_000
# What SQLite's columns take; PostgreSQL's take infinity alone.
NEVER = {"as-text": "2025-10-09 09:00:00", "no-time": "soon", "nothing": None, "infinity": float("inf")}
DUE = {"as-text": TEXT_MS, "no-time": MADE_MS, "nothing": MADE_MS, "infinity": MADE_MS}


def broken(scribe: Scribe) -> None:
    # When it was made is all that is left to go by.
    made_at = scribe.flavour.created_at(MADE_MS)
    for name in NEVER:
        scribe.execution(name, started(), subscribed())
    for name, visible_at in NEVER.items():
        row = scribe.message(name, raised_to(name))
        never = on(scribe, visible_at)
        scribe.change(orchestrator_queue, {"id": row}, visible_at=never, created_at=made_at)
    scribe.execution("activity", started(), scheduled())
    never = on(scribe, "2025-10-09 09:00:00")
    scribe.change(worker_queue, {"instance_id": "activity"}, visible_at=never, created_at=made_at)


def on(scribe: Scribe, visible_at: Any) -> Any:
    return visible_at if scribe.flavour.name == "sqlite" else "infinity"


FOUND = {**NEVER, "infinity": {"real": "inf"}, "activity": "2025-10-09 09:00:00"}
EXPECTED = {
    name: OnFlavour(sqlite=ms, postgresql=MADE.isoformat()) for name, ms in {**DUE, "activity": TEXT_MS}.items()
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"visible_at": OnFlavour(sqlite=visible_at, postgresql="infinity")},
            expected={"visible_at": EXPECTED[name]},
        )
        for name, visible_at in FOUND.items()
    ],
    repaired=[
        *(
            Row(table="orchestrator_queue", key={"instance_id": name}, columns={"visible_at": EXPECTED[name]})
            for name in DUE
        ),
        Row(table="worker_queue", key={"instance_id": "activity"}, columns={"visible_at": EXPECTED["activity"]}),
    ],
)

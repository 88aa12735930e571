from cases.case import Case, Found, Row
from cases.payloads import subscribed
from cases.work import lock, start_of
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, started


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), subscribed())
    lock(scribe, "live")
    # A dispatcher died in the first turn of an instance, which will be tried again.
    scribe.message("first-turn", start_of("first-turn"))
    lock(scribe, "first-turn")
    lock(scribe, "held", now_ms() + 5_000)
    lock(scribe, "expired-just-now", now_ms() - 5_000)


def broken(scribe: Scribe) -> None:
    lock(scribe, "orphan")


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="orphan",
            execution_id=None,
            observed={"instance": "absent"},
            expected={"instance": "present"},
        )
    ],
    repaired=[Row(table="instance_locks", key={"instance_id": "orphan"}, columns=None)],
)

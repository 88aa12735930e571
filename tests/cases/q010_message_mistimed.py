from typing import Any

from cases.case import Case, Found, OnFlavour, Row
from cases.payloads import FAR_FUTURE_MS, subscribed, timer
from cases.work import Message, raised_to
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, worker_queue
from holystone.flavours.postgresql.values import moment_at

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MADE_MS = 1_760_000_400_000
YEAR_10000_MS = 253_402_300_800_000


def fired(instance: str, fires_ms: int) -> Message:
    return {"TimerFired": {"instance": instance, "execution_id": 1, "id": 2, "fire_at_ms": fires_ms}}


def healthy(scribe: Scribe) -> None:
    now = now_ms()
    scribe.execution("new", started(), subscribed())
    scribe.message("new", raised_to("new"))
    # By a process whose clock is ahead.
    scribe.message("new", raised_to("new"), now + 10 * MINUTE_MS)
    put(scribe, "new", raised_to("new"), now + 20 * HOUR_MS, attempts=3)
    scribe.execution("far", started(), timer())
    scribe.execution("year-10000", started(), timer(YEAR_10000_MS))
    scribe.execution("soon", started(), timer(now + MINUTE_MS))
    scribe.execution("late", started(), timer(now - DAY_MS))
    scribe.change(orchestrator_queue, {"instance_id": "late"}, visible_at=scribe.flavour.queue_time(now + MINUTE_MS))
    # A timer that is due already comes to no harm, nor does one that was fetched by a clock that is ahead.
    scribe.execution("over", started(), timer(now - DAY_MS))
    scribe.change(orchestrator_queue, {"instance_id": "over"}, visible_at=scribe.flavour.queue_time(0))
    scribe.execution("ahead", started(), timer(now + 5 * MINUTE_MS))
    early = scribe.flavour.queue_time(now)
    scribe.change(orchestrator_queue, {"instance_id": "ahead"}, visible_at=early, attempt_count=1)
    scribe.execution("retried", started(), scheduled())
    again = {"visible_at": scribe.flavour.queue_time(now + HOUR_MS), "attempt_count": 1}
    scribe.change(worker_queue, {"instance_id": "retried"}, **again)
    # What a newer engine may ask for, nobody knows here.
    scribe.message("new", {"LetterLater": {"instance": "new"}}, FAR_FUTURE_MS)


def put(scribe: Scribe, instance: str, item: Message, visible_ms: int, attempts: int = 0) -> None:
    row = scribe.message(instance, item, visible_ms)
    made = {"created_at": scribe.flavour.created_at(MADE_MS), "attempt_count": attempts}
    scribe.change(orchestrator_queue, {"id": row}, **made)


TIMER_MS = FAR_FUTURE_MS
FOREVER_MS = TIMER_MS + 1000 * DAY_MS
# Where a message lies, and where it should: timers at their own time, all others at that of their making.
MESSAGES = {"untouched": MADE_MS, "touched": MADE_MS}
LAST_MS = {"sqlite": 2**63 - 1, "postgresql": YEAR_10000_MS - DAY_MS}
"""The last moment that SQLite has, for which a timer may ask, and the last day that Python reads of PostgreSQL."""
TIMERS = {"timer-early": TIMER_MS - MINUTE_MS, "timer-late": FOREVER_MS, "timer-now": 0}


def broken(scribe: Scribe) -> None:
    for name in MESSAGES:
        scribe.execution(name, started(), subscribed())
        put(scribe, name, raised_to(name), FAR_FUTURE_MS, attempts=int(name == "touched"))
    for name, visible_ms in TIMERS.items():
        scribe.execution(name, started(), timer())
        visible_at = scribe.flavour.queue_time(visible_ms)
        scribe.change(orchestrator_queue, {"instance_id": name}, visible_at=visible_at)
    scribe.execution("timer-last", started(), timer(LAST_MS[scribe.flavour.name]))
    early = scribe.flavour.queue_time(FAR_FUTURE_MS)
    scribe.change(orchestrator_queue, {"instance_id": "timer-last"}, visible_at=early)
    scribe.execution("activity", started(), scheduled())
    late = {"visible_at": scribe.flavour.queue_time(FAR_FUTURE_MS), "created_at": scribe.flavour.created_at(MADE_MS)}
    scribe.change(worker_queue, {"instance_id": "activity"}, **late)


def on(ms: int, postgresql_ms: int | None = None) -> OnFlavour:
    return OnFlavour(sqlite=ms, postgresql=_text(moment_at(ms if postgresql_ms is None else postgresql_ms)))


def _text(moment: Any) -> str:
    return moment if isinstance(moment, str) else str(moment.isoformat())


LIES = {**dict.fromkeys([*MESSAGES, "timer-last", "activity"], FAR_FUTURE_MS), **TIMERS}
SHOULD = {
    **{name: on(ms) for name, ms in {**MESSAGES, **dict.fromkeys(TIMERS, TIMER_MS), "activity": MADE_MS}.items()},
    "timer-last": on(LAST_MS["sqlite"], LAST_MS["postgresql"]),
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"visible_at": on(LIES[name])},
            expected={"visible_at": SHOULD[name]},
        )
        for name in LIES
    ],
    repaired=[
        Row(
            table="worker_queue" if name == "activity" else "orchestrator_queue",
            key={"instance_id": name},
            columns={"visible_at": SHOULD[name]},
        )
        for name in LIES
    ],
    also=frozenset({"Q002"}),
)

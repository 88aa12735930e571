from typing import Any

from cases.case import Case, Found, OnFlavour, Row
from cases.payloads import subscribed
from cases.work import lock, raised_to
from holystone.clock import now_ms
from holystone.demo.scribe import BEGUN_MS, Scribe, scheduled, started
from holystone.duroxide.tables import orchestrator_queue, sessions, worker_queue

FAR_MS = 4_102_444_800_000
TOKEN = "a dispatcher's"
HOUR_MS = 3_600_000
ENDS = "an end within a day"


def session(scribe: Scribe, name: str, until: Any) -> None:
    worker = {"worker_id": "w", "last_activity_at": BEGUN_MS}
    scribe.add(sessions, session_id=name, locked_until=until, **worker)


def healthy(scribe: Scribe) -> None:
    now = now_ms()
    for name, until_ms in (("held", now + HOUR_MS), ("lapsed", BEGUN_MS)):
        scribe.execution(name, started(), scheduled(), subscribed())
        lock(scribe, name, until_ms)
        row = scribe.message(name, raised_to(name))
        scribe.change(orchestrator_queue, {"id": row}, lock_token=TOKEN, locked_until=until_ms)
        scribe.change(worker_queue, {"instance_id": name}, lock_token="a worker's", locked_until=until_ms)
        session(scribe, name, until_ms)
    # Nobody is kept off by it.
    scribe.execution("no-token", started(), scheduled())
    scribe.change(worker_queue, {"instance_id": "no-token"}, locked_until=FAR_MS)


def broken(scribe: Scribe) -> None:
    for name in ("turn", "activity", "no-end"):
        scribe.execution(name, started(), scheduled() if name in ("activity", "no-end") else subscribed())
    lock(scribe, "turn", FAR_MS)
    scribe.change(worker_queue, {"instance_id": "activity"}, lock_token=TOKEN, locked_until=odd(scribe))
    scribe.change(worker_queue, {"instance_id": "no-end"}, lock_token=TOKEN)
    session(scribe, "session", odd(scribe))


def odd(scribe: Scribe) -> Any:
    return "2099-01-01 00:00:00" if scribe.flavour.name == "sqlite" else FAR_MS


ODD = OnFlavour(sqlite="2099-01-01 00:00:00", postgresql=FAR_MS)
FREE = {"lock_token": None, "locked_until": None}


def found(instance: str | None, until: Any, cause: Any, repair: str = "safe") -> Found:
    ends = {"observed": {"locked_until": until}, "expected": {"locked_until": ENDS}}
    return Found(instance_id=instance, execution_id=None, cause=cause, repair=repair, **ends)


NO_TIME = {"sqlite": "no-number", "postgresql": "too-far"}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("turn", FAR_MS, "too-far"),
        found("activity", ODD, NO_TIME, "unsafe"),
        found("no-end", None, "no-end"),
        found(None, ODD, NO_TIME, "unsafe"),
    ],
    repaired=[
        Row(table="instance_locks", key={"instance_id": "turn"}, columns=None),
        Row(table="worker_queue", key={"instance_id": "activity"}, columns=FREE),
        Row(table="worker_queue", key={"instance_id": "no-end"}, columns=FREE),
        Row(table="sessions", key={"session_id": "session"}, columns=None),
    ],
)

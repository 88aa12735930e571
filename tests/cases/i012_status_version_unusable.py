from __future__ import annotations

from typing import Any

from cases.case import Case, Found, OnFlavour, Row
from cases.payloads import begun, poisoned, status_set, subscribed
from holystone.demo.scribe import Payload, Scribe, completed, continued
from holystone.duroxide.tables import executions, history, instances

LAST = OnFlavour(sqlite=2**63 - 1, postgresql=2**31 - 1)
LAST_BUT_ONE = OnFlavour(sqlite=2**63 - 2, postgresql=2**31 - 2)


def version(scribe: Scribe, of: str, value: Any) -> None:
    if isinstance(value, OnFlavour):
        value = getattr(value, scribe.flavour.name)
    scribe.change(instances, {"instance_id": of}, custom_status_version=value)


def chain(scribe: Scribe, of: str) -> None:
    """Of an instance that has set its status once in the one execution, and that carries it over to the other."""
    scribe.execution(of, begun(), status_set("one"), continued())
    scribe.execution(of, begun(initial_custom_status="one"), subscribed(), execution_id=2)


def healthy(scribe: Scribe) -> None:
    scribe.execution("never", begun(), completed())
    scribe.execution("set", begun(), status_set("one"), subscribed())
    # Two updates of one turn count once.
    scribe.execution("at-once", begun(), status_set("one"), status_set("two"), subscribed())
    version(scribe, "at-once", 1)
    scribe.execution("reset", begun(), status_set("one"), status_set(None), completed())
    chain(scribe, "carried")
    # From where it counts does not matter.
    scribe.execution("far", begun(), status_set("one"), completed())
    version(scribe, "far", LAST_BUT_ONE)
    scribe.execution("given-up", begun(), status_set("one"), continued())
    scribe.execution("given-up", begun(), poisoned("given-up", 2), execution_id=2)


SET_ONCE: tuple[Payload, ...] = (begun(), status_set("one"), subscribed())
NEVER_SET: tuple[Payload, ...] = (begun(), subscribed())
WRONG: dict[str, tuple[tuple[Payload, ...], Any, int]] = {
    "hidden": (SET_ONCE, 0, 1),
    "hidden-twice": ((begun(), status_set("one"), status_set("two"), completed()), 0, 2),
    "negative": (SET_ONCE, -1, 1),
    "last": (SET_ONCE, LAST, 1),
    "reset": ((begun(), status_set("one"), status_set(None), subscribed()), -7, 2),
    "never": (NEVER_SET, -1, 0),
    "never-last": (NEVER_SET, LAST, 0),
}
"""Name -> the events, the version that stands, and the one that the events tell."""
# PostgreSQL's column takes whole numbers alone.
ODD = {"text": "many", "real": 1.5, "blob": b"\x01", "infinite": float("inf"), "beyond": 1e300}

AS_JSON = {"blob": {"hex": "01"}, "infinite": {"real": "inf"}}


def broken(scribe: Scribe) -> None:
    for name, (events, value, _) in WRONG.items():
        scribe.execution(name, *events)
        version(scribe, name, value)
    for name, value in ODD.items():
        scribe.execution(name, *SET_ONCE)
        version(scribe, name, OnFlavour(sqlite=value, postgresql=0))
    chain(scribe, "carried")
    version(scribe, "carried", 0)
    chain(scribe, "pruned")
    for table in (history, executions):
        scribe.remove(table, {"instance_id": "pruned", "execution_id": 1})
    version(scribe, "pruned", 0)


def found(name: str, observed: Any, expected: int, repair: str = "safe") -> Found:
    return Found(
        instance_id=name,
        execution_id=None,
        observed={"custom_status_version": observed},
        expected={"custom_status_version": expected},
        repair=repair,
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        *(found(name, value, expected) for name, (_, value, expected) in WRONG.items()),
        *(found(name, OnFlavour(sqlite=AS_JSON.get(name, value), postgresql=0), 1) for name, value in ODD.items()),
        found("carried", 0, 1),
        found("pruned", 0, 1, repair="unsafe"),
    ],
    repaired=[
        Row(table="instances", key={"instance_id": name}, columns={"custom_status_version": expected})
        for name, expected in (
            *((name, expected) for name, (_, _, expected) in WRONG.items()),
            *((name, 1) for name in (*ODD, "carried", "pruned")),
        )
    ],
)

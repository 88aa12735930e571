from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cases.case import Case, Found, OnFlavour, Row, execution
from cases.payloads import subscribed
from holystone.demo.scribe import Scribe, completed, continued, started
from holystone.duroxide.tables import executions, history

COLUMNS = ("duroxide_version_major", "duroxide_version_minor", "duroxide_version_patch")
TRUE = (0, 1, 32)
"""The scribe's version."""


def pinned(scribe: Scribe, name: str, version: Sequence[Any], execution_id: int = 1) -> None:
    key = {"instance_id": name, "execution_id": execution_id}
    scribe.change(executions, key, **dict(zip(COLUMNS, version, strict=True)))


def begun_by(scribe: Scribe, name: str, version: str) -> None:
    """Let the start event name another version of the engine."""
    start = scribe.event(name, 2, 1, started(), 1)
    text = start.to_json().replace('"execution_id":2', '"execution_id":1').replace("0.1.32", version)
    scribe.remove(history, {"instance_id": name, "execution_id": 2})
    scribe.change(history, {"instance_id": name, "event_id": 1}, event_data=text)


def healthy(scribe: Scribe) -> None:
    for name, version in {"pinned": TRUE, "older-than-pins": (None, None, None)}.items():
        scribe.execution(name, started(), subscribed())
        pinned(scribe, name, version)
    for name, said, version in [
        ("old", "0.1.17", (0, 1, 17)),
        ("newer", "0.2.0", (0, 2, 0)),
        ("rc", "0.1.9-rc.1", (0, 1, 9)),
    ]:
        scribe.execution(name, started(), subscribed())
        pinned(scribe, name, version)
        begun_by(scribe, name, said)
    # What has come to its end is not fetched for its own sake any more.
    scribe.execution("done", started(), completed())
    pinned(scribe, "done", (9, 9, 9))
    scribe.execution("loop", started(), continued())
    pinned(scribe, "loop", (9, 9, 9))
    scribe.execution("loop", started(), subscribed(), execution_id=2)
    pinned(scribe, "loop", TRUE, execution_id=2)


WRONG: dict[str, Sequence[Any]] = {
    "newer": (9, 9, 9),
    "newer-patch": (0, 1, 33),
    "negative": (-1, 1, 32),
    "no-major": (None, 1, 32),
    "no-minor": (0, None, 32),
    "no-patch": (0, 1, None),
    "major-alone": (0, None, None),
    "older": (0, 1, 3),
    "zero": (0, 0, 0),
    "largest": (2**31 - 1, 1, 32),
}
"""Instance -> what its execution is pinned to; an engine of the start event's version begins all of them."""
ODD: dict[str, Sequence[Any]] = {"fraction": (0.5, 1, 32), "text": (0, "one", 32)}
"""What SQLite's columns take beside numbers; PostgreSQL's take none of it."""
ON_POSTGRESQL = (0, 1, -32)


def broken(scribe: Scribe) -> None:
    for name, version in {**WRONG, **ODD}.items():
        scribe.execution(name, started(), subscribed())
        odd = name in ODD and scribe.flavour.name == "postgresql"
        pinned(scribe, name, ON_POSTGRESQL if odd else version)
    scribe.execution("between", started(), continued())
    pinned(scribe, "between", (9, 9, 9))
    scribe.execution("altered-event", started(), subscribed())
    pinned(scribe, "altered-event", TRUE)
    begun_by(scribe, "altered-event", "9.9.9")


def found(name: str, version: Sequence[Any], expected: Sequence[Any] = TRUE, repair: str = "safe") -> Found:
    return Found(
        **execution(name),
        observed=dict(zip(COLUMNS, version, strict=True)),
        expected=dict(zip(COLUMNS, expected, strict=True)),
        repair=repair,
    )


def on_flavour(version: Sequence[Any]) -> Sequence[Any]:
    return [OnFlavour(sqlite=a, postgresql=b) for a, b in zip(version, ON_POSTGRESQL, strict=True)]


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        *(found(name, version) for name, version in {**WRONG, "between": (9, 9, 9)}.items()),
        *(found(name, on_flavour(version)) for name, version in ODD.items()),
        found("altered-event", TRUE, (9, 9, 9), "unsafe"),
    ],
    repaired=[
        Row(table="executions", key=execution(name), columns=dict(zip(COLUMNS, TRUE, strict=True)))
        for name in [*WRONG, *ODD, "between"]
    ],
)

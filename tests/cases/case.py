"""What a case is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holystone.demo.scribe import BEGUN_MS, EVENT_MS, Scribe
from holystone.flavours import Flavour

Write = Callable[[Scribe], object]


@dataclass(frozen=True)
class CompletedAt:
    """A completed_at of so many ms since the epoch, in whatever form the store's flavour keeps it."""

    ms: int


@dataclass(frozen=True)
class OnFlavour:
    """A value that differs between the flavours."""

    sqlite: Any
    postgresql: Any


def event_time(execution: int, event: int) -> int:
    """The time in ms of an event that a scribe wrote: of its n-th execution, the n-th event."""
    return BEGUN_MS + execution * 3_600_000 + event * EVENT_MS


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finding that the broken rows must give, to the letter; its cause may depend on the flavour."""

    instance_id: str | None
    execution_id: int | None
    observed: Mapping[str, Any]
    expected: Mapping[str, Any]
    cause: str | Mapping[str, str] | None = None
    repair: str = "safe"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Columns of a row after the repair; None where it has been removed."""

    table: str
    key: Mapping[str, Any]
    columns: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A check's case. `also` names other checks that rightly report some of its rows too.

    One that `alters_schema` is written to a store of its own.
    """

    healthy: Write
    broken: Write
    findings: Sequence[Found]
    repaired: Sequence[Row]
    also: frozenset[str] = frozenset()
    alters_schema: bool = False


def execution(instance_id: str, execution_id: int = 1) -> dict[str, Any]:
    """The key of an execution."""
    return {"instance_id": instance_id, "execution_id": execution_id}


def as_json(flavour: Flavour, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a report shows them on this flavour."""
    return {name: _as_json(flavour, value) for name, value in values.items()}


def _as_json(flavour: Flavour, value: Any) -> Any:
    match value:
        case CompletedAt():
            return flavour.to_json(flavour.completed_at(value.ms))
        case OnFlavour():
            return getattr(value, flavour.name)
        case _:
            return value

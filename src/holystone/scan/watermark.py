"""Watermarks: how far a store has been found clean, so that the next check may look at what came after alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from sqlalchemy import Connection

import holystone
from holystone.flavours.changes import Position
from holystone.scan.check import Check, Level
from holystone.scan.policy import AS_DECLARED, Policy
from holystone.store.open_store import OpenStore


@dataclass(frozen=True)
class Coverage:
    """What a check with a watermark looks at, and how far the store is verified when it ends clean.

    `instances` are those that the engine has written to since the last time, None for all of them, for the reason
    `why_all`. The moments are ms since the epoch: `since_ms` the last verified one, `begun_ms` this one,
    `full_at_ms` when all instances were looked at last, this time included.
    """

    scope: str
    position: Position
    begun_ms: int
    full_at_ms: int
    since_ms: int | None = None
    instances: Sequence[str] | None = None
    why_all: str | None = None

    def full_is_due(self, seconds: float) -> bool:
        """Return whether the last look at all instances is older than that."""
        return self.begun_ms - self.full_at_ms > seconds * 1000


@dataclass(frozen=True)
class Kept:
    """What was kept of the last check that found a store clean: where it stood, and when, in ms since the epoch."""

    position: Position
    verified_at_ms: int
    full_at_ms: int
    version: str


class Watermarks(Protocol):
    """Where watermarks are kept; `outside` where that is not the store itself, which may be another one by now."""

    @property
    def outside(self) -> bool: ...

    def last(self, connection: Connection, scope: str) -> Kept | None: ...

    def keep(self, coverage: Coverage) -> None: ...


def cover(
    store: OpenStore,
    watermarks: Watermarks,
    level: Level,
    checks: Sequence[Check],
    *,
    policy: Policy = AS_DECLARED,
    afresh: bool = False,
) -> Coverage:
    """Return what to look at so that the whole store is verified up to now; reads only.

    `checks` are those that run: not the ones that are left out or skipped, whose turn may come later. The position is
    taken before the check reads, so what the engine writes meanwhile is looked at twice, never not at all. With
    `afresh` all is looked at.
    """
    scope = _scope(level, checks, policy)
    with store.snapshot() as connection:
        now = store.flavour.now_ms(connection)
        coverage = Coverage(scope, store.flavour.position(connection), begun_ms=now, full_at_ms=now)
        last = watermarks.last(connection, scope)
        if afresh or last is None:
            return replace(coverage, why_all="as asked" if afresh else "these checks have no watermark yet")
        if last.version != holystone.__version__:
            return replace(coverage, why_all=f"the last look was that of holystone {last.version}")
        changes = store.flavour.changed_since(connection, last.position, kept_outside=watermarks.outside)
    coverage = replace(coverage, since_ms=last.verified_at_ms, why_all=changes.why_all)
    if changes.why_all is None:
        return replace(coverage, instances=changes.instances, full_at_ms=last.full_at_ms)
    return coverage


def _scope(level: Level, checks: Sequence[Check], policy: Policy) -> str:
    """Return what tells a watermark from those of other checks, and of others that put up with other findings."""
    suppressed = sorted(map(str, policy.in_force(date.today())))
    digest = hashlib.sha256("\n".join([*(check.id for check in checks), *suppressed]).encode()).hexdigest()[:16]
    return f"{level.name} {digest}"

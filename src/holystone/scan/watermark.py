"""Watermarks: how far a store has been found clean, so that the next check may look at what came after alone."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import delete, insert, select

import holystone
from holystone.errors import JournalError
from holystone.flavours.changes import Position
from holystone.scan.check import Check, Level
from holystone.scan.policy import AS_DECLARED, Policy
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import watermarks

DAY_MS = 86_400_000


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


def cover(
    store: OpenStore, level: Level, checks: Sequence[Check], *, policy: Policy = AS_DECLARED, afresh: bool = False
) -> Coverage:
    """Return what to look at so that the whole store is verified up to now; reads only.

    `checks` are those that run: not the ones that are left out or skipped, whose turn may come later. The position is
    taken before the check reads, so what the engine writes meanwhile is looked at twice, never not at all. With
    `afresh` all is looked at. JournalError where the store has no table for watermarks.
    """
    if watermarks.name not in store.columns:
        raise JournalError(
            f"{store.target} has no table for watermarks yet.",
            "Let holystone make its own tables first: holystone migrate upgrade TARGET",
        )
    scope = _scope(level, checks, policy)
    with store.snapshot() as connection:
        now = store.flavour.now_ms(connection)
        coverage = Coverage(scope, store.flavour.position(connection), begun_ms=now, full_at_ms=now)
        last = connection.execute(select(watermarks).where(watermarks.c.scope == scope)).one_or_none()
        if afresh or last is None:
            return replace(coverage, why_all="as asked" if afresh else "these checks have no watermark yet")
        if last.version != holystone.__version__:
            return replace(coverage, why_all=f"the last look was that of holystone {last.version}")
        changes = store.flavour.changed_since(connection, json.loads(last.position))
    coverage = replace(coverage, since_ms=last.verified_at_ms, why_all=changes.why_all)
    if changes.why_all is None:
        return replace(coverage, instances=changes.instances, full_at_ms=last.full_at_ms)
    return coverage


def _scope(level: Level, checks: Sequence[Check], policy: Policy) -> str:
    """Return what tells a watermark from those of other checks, and of others that put up with other findings."""
    suppressed = sorted(map(str, policy.in_force(date.today())))
    digest = hashlib.sha256("\n".join([*(check.id for check in checks), *suppressed]).encode()).hexdigest()[:16]
    return f"{level.name} {digest}"


def record(store: OpenStore, coverage: Coverage) -> None:
    """Write that the store was found clean up to the coverage's position."""
    with store.transaction() as connection:
        connection.execute(delete(watermarks).where(watermarks.c.scope == coverage.scope))
        connection.execute(
            insert(watermarks).values(
                scope=coverage.scope,
                position=json.dumps(coverage.position),
                verified_at_ms=coverage.begun_ms,
                full_at_ms=coverage.full_at_ms,
                version=holystone.__version__,
            )
        )

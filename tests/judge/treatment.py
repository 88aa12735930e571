"""What holystone says of a store, and what it makes of it: checked at deep, and repaired as far as that is safe."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from holystone.errors import HolystoneError
from holystone.flavours.postgresql.flavour import PostgreSQL
from holystone.flavours.sqlite.flavour import SQLite
from holystone.mend.apply import apply_plan
from holystone.mend.change import Change
from holystone.mend.plan import make_plan
from holystone.mend.repair import Safety
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Check, Level
from holystone.scan.scan import Scan
from holystone.store import Store
from judge.stores import KEYS, Place, Row

PASSES = 5
RACE_WINDOW = 1
SAME_TIME_MS = 5000


def share_statements() -> None:
    """Have all stores of a flavour keep the words of their statements together.

    To put them together takes longer than to run them, and the judge opens each store but once.
    """
    for flavour in (SQLite, PostgreSQL):
        flavour.create_engine = _sharing(flavour.create_engine)  # type: ignore[method-assign]


def _sharing(make: Callable[..., Engine]) -> Callable[..., Engine]:
    kept: list[Engine] = []

    def engine(flavour: Any, *, read_only: bool) -> Engine:
        made = make(flavour, read_only=read_only)
        kept.append(made) if not kept else None
        made.dialect, made._compiled_cache = kept[0].dialect, kept[0]._compiled_cache
        return made

    return engine


@dataclass
class Verdict:
    """What was said of a store: the verdict or the error, and the number of findings by check."""

    said: str
    findings: Counter[str] = field(default_factory=Counter)
    reason: str | None = None
    fault: str | None = None
    """The traceback, where holystone broke down."""

    @property
    def clean(self) -> bool:
        return self.said == "clean"


@dataclass(frozen=True)
class Planned:
    """All that a plan would do for the findings of one check: `right` where it gives each row its value of before."""

    check: str
    safe: bool
    right: bool
    why: str | None
    """Why it is not safe."""

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass
class Repaired:
    """What was changed, by check, and how much of it is now as it was before the damage."""

    changed: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    changes: list[str] = field(default_factory=list)
    planned: list[Planned] = field(default_factory=list)
    """What the first plan would do, safe or not."""
    unmade: list[str] = field(default_factory=list)
    """Changes that the plan called safe and that were not made, each with the reason."""
    refusal: str | None = None
    fault: str | None = None


def every_check() -> list[Check]:
    """All checks of the catalogue."""
    return select_checks(Level.deep)


def examine(place: Place) -> Verdict:
    """Check a store at the deepest level."""
    try:
        with closing(Store.open(place.target, place.schema, read_only=True)) as store:
            scan = Scan(store, every_check(), level=Level.deep, race_window=RACE_WINDOW)
            found = Counter(finding.check.id for finding in scan)
            reasons = sorted({result.reason for result in scan.results.values() if result.reason})
            return Verdict(str(scan.verdict), found, "; ".join(reasons)[:300] or None)
    except HolystoneError as error:
        return Verdict("refused", reason=str(error)[:300])
    except Exception:
        return Verdict("fault", fault=traceback.format_exc(limit=-4))


def repair(place: Place, original: dict[str, list[Row]]) -> Repaired:
    """Repair a store as far as that is safe, until nothing is left to do; compare the changes with the original."""
    repaired = Repaired()
    made: list[Change] = []
    before = {table: {_key(table, row): row for row in rows} for table, rows in original.items()}

    def passes(store: Store) -> None:
        for number in range(PASSES):
            plan = make_plan(store, every_check(), race_window=RACE_WINDOW)
            if number == 0:
                repaired.planned = compared(plan.changes, before)
            report = apply_plan(store, plan)
            skipped = [change for change, _ in report.skipped]
            repaired.unmade += [
                f"{change.check} {change.table} {dict(change.key)}: {why}"[:300]
                for change, why in report.skipped
                if change.safety == Safety.safe
            ]
            made.extend(one for one in plan.changes if one.safety == Safety.safe and one not in skipped)
            if not report.applied:
                break

    _attempt(place, repaired, passes)
    tables = {change.table for change in made} & {*KEYS}
    after = {table: {_key(table, row): row for row in rows} for table, rows in place.rows(tables).items()}
    for change in made:
        repaired.changed[change.check] += 1
        if _is_right(change, before, after):
            repaired.right[change.check] += 1
        new = None if change.after is None else dict(change.after)
        repaired.changes.append(f"{change.check} {change.repair}: {change.table} {dict(change.key)} -> {new}"[:300])
    return repaired


def plan_of(place: Place, original: dict[str, list[Row]], damaged: set[str]) -> dict[str, list[Planned]]:
    """Return what a plan would do in each of the damaged instances, compared with the original.

    What touches two of them is left out, for it is nobody's alone.
    """
    before = {table: {_key(table, row): row for row in rows} for table, rows in original.items()}
    with closing(Store.open(place.target, place.schema)) as store:
        changes = make_plan(store, every_check(), race_window=RACE_WINDOW).changes
    return {one: compared([each for each in changes if each.instances & damaged == {one}], before) for one in damaged}


def compared(changes: Sequence[Change], before: Keyed) -> list[Planned]:
    """Return what the changes would do, by check."""
    found = []
    for check in sorted({change.check for change in changes}):
        of_check = [change for change in changes if change.check == check]
        unsafe = [change for change in of_check if change.safety != Safety.safe]
        right = all(_would_be_right(change, before) for change in of_check)
        found.append(Planned(check, not unsafe, right, getattr(unsafe[0], "unsafe_because", None) if unsafe else None))
    return found


def _would_be_right(change: Change, before: Keyed) -> bool:
    if change.table not in KEYS or not set(KEYS[change.table]) <= set(change.key):
        return False
    was = before[change.table].get(_key(change.table, change.key))
    if was is None or change.after is None:
        return was is change.after
    return all(_same(_as_time(was.get(column)), _as_time(value)) for column, value in change.after.items())


def _as_time(value: Any) -> Any:
    """A value of a plan as the driver has it: plans are JSON, and times are text there."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and value.count(":") >= 2 else value
    except ValueError:
        return value


def _attempt(place: Place, repaired: Repaired, act: Callable[[Store], None]) -> None:
    try:
        with closing(Store.open(place.target, place.schema)) as store:
            act(store)
    except HolystoneError as error:
        repaired.refusal = str(error)[:300]
    except Exception:
        repaired.fault = traceback.format_exc(limit=-4)


Keyed = dict[str, dict[tuple[str, ...], Row]]


def _key(table: str, row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(column)) for column in KEYS[table])


def _is_right(change: Change, before: Keyed, after: Keyed) -> bool:
    """Whether the row is now as it was before the damage, in the columns that the change wrote."""
    if change.table not in KEYS or not set(KEYS[change.table]) <= set(change.key):
        return False
    key = _key(change.table, change.key)
    was, now = before[change.table].get(key), after[change.table].get(key)
    if was is None or now is None:
        return was is now
    columns = (change.after or was).keys()
    return all(_same(was.get(column), now.get(column)) for column in columns)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same; of two times, whether they are about the same."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        return abs((one - other).total_seconds()) * 1000 < SAME_TIME_MS
    if isinstance(one, int) and isinstance(other, int) and min(one, other) > 10**12:
        return abs(one - other) < SAME_TIME_MS
    return bool(one == other)

"""Applying a plan: each row once more under lock, compared, changed, journaled, checked, in one transaction."""

import getpass
import platform
import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, update

import holystone
from holystone.clock import now_ms
from holystone.errors import HolystoneError
from holystone.mend import journal
from holystone.mend.change import Change, change_for, is_row, repair_of, row_table, values
from holystone.mend.locks import busy_instances
from holystone.mend.pace import Pace
from holystone.mend.plan import Plan
from holystone.mend.repair import Safety, repairs
from holystone.scan.catalogue import checks
from holystone.scan.finding import judge
from holystone.scan.scan import Progress, suspects
from holystone.store import Store

PATIENCE_SECONDS = 5.0
"""How long instances that the engine is working on are waited for, over the whole run."""

MOVED_ON = "the row or its history is no longer as planned"
ALREADY = "the row already is as planned"
BUSY = "the engine is working on the instance"
UNMENDED = "the check still finds the row after the change"


@dataclass
class Report:
    """What became of a plan. `applied` and `already` count rows; `left` are planned rows that stay undone.

    `run` is None where nothing was written; `unsafe` counts the changes left by each unsafe repair.
    """

    run: str | None = None
    applied: int = 0
    already: int = 0
    skipped: list[tuple[Change, str]] = field(default_factory=list)
    unsafe: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return len(self.skipped) + sum(self.unsafe.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "run": self.run,
            "applied": self.applied,
            "already": self.already,
            "skipped": [{"key": change.key, "why": why} for change, why in self.skipped],
            "left": self.left,
            "unsafe": self.unsafe,
        }


def apply_plan(store: Store, plan: Plan, *, unsafe: Collection[str] = (), progress: Progress | None = None) -> Report:
    """Carry out the plan's safe changes, and those of the unsafe repairs or checks named in `unsafe`.

    The journal must be installed. An interrupted run leaves each row either as it was or changed and
    journaled; applying the same plan again goes on with the rest.
    """
    report, chosen = Report(), []
    named = {name.lower() for name in unsafe}
    for change in plan.changes:
        if change.safety == Safety.safe or {change.check.lower(), change.repair.lower()} & named:
            chosen.append(change)
        else:
            report.unsafe[change.repair] = report.unsafe.get(change.repair, 0) + 1
    run = _Run(store, plan.hash, report)
    done = 0
    for chunk in run.pace.chunks(chosen):
        run.apply(chunk)
        done += len(chunk)
        if progress is not None:
            progress("changes", done, len(chosen))
    run.apply_waiting()
    run.finish()
    return report


class _Run:
    """A run in progress."""

    def __init__(self, store: Store, plan_hash: str, report: Report) -> None:
        self.store = store
        self.pace = Pace(store)
        self.report = report
        self.written = 0
        self.waiting: list[Change] = []
        self.run = new_run("apply", plan=plan_hash)

    def apply(self, chunk: Sequence[Change], *, last_try: bool = False) -> None:
        """Apply a chunk in one transaction; what the engine is busy with is put off, or skipped at last."""
        skipped: list[tuple[Change, str]] = []
        waiting: list[Change] = []
        with self.pace.transaction() as connection:
            busy = busy_instances(self.store, connection, [change.instance_id for change in chunk])
            free = [change for change in chunk if change.instance_id not in busy]
            for change in chunk:
                if change.instance_id in busy:
                    waiting.append(change)
            made, stale, already = self._make(connection, free)
            if made and self.report.run is None:
                journal.begin(connection, self.run)
            journal.record(connection, self.run.run_id, self.written, made, now_ms())
        # Counted only now: the transaction has been committed.
        if made:
            self.report.run = self.run.run_id
        self.written += len(made)
        self.report.applied += len(made)
        self.report.already += already
        skipped += stale
        if last_try:
            skipped += [(change, BUSY) for change in waiting]
        else:
            self.waiting += waiting
        self.report.skipped += skipped

    def apply_waiting(self) -> None:
        """Try the instances again that the engine was busy with, for a while."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self.waiting:
            time.sleep(min(0.2, PATIENCE_SECONDS))
            again, self.waiting = self.waiting, []
            for chunk in self.pace.chunks(again):
                self.apply(chunk, last_try=time.monotonic() >= until)

    def finish(self) -> None:
        if self.report.run is not None:
            with self.store.transaction() as connection:
                journal.finish(connection, self.run.run_id, now_ms())

    def _make(
        self, connection: Connection, chunk: Sequence[Change]
    ) -> tuple[list[Change], list[tuple[Change, str]], int]:
        """Make the changes that are still right; return those, the stale ones, and how many were so already."""
        stale: list[tuple[Change, str]] = []
        already = 0
        self.store.flavour.lock_rows(connection, _keys_by_table(self.store, chunk))
        current = plan_again(self.store, connection, chunk)
        right: list[Change] = []
        for change in chunk:
            if current.get(change.row) == change:
                right.append(change)
            elif change.row not in current and _is_done(self.store, connection, change):
                already += 1
            else:
                stale.append((change, MOVED_ON))
        made = self._write(connection, right, stale)
        return made, stale, already

    def _write(self, connection: Connection, right: Sequence[Change], stale: list[tuple[Change, str]]) -> list[Change]:
        """Write the changes, and take those back that do not satisfy their check."""
        point = connection.begin_nested()
        for change in right:
            write(self.store, connection, change)
        unmended = {change.row for change in right} & plan_again(self.store, connection, right).keys()
        if not unmended:
            point.commit()
            return list(right)
        point.rollback()
        stale += [(change, UNMENDED) for change in right if change.row in unmended]
        return self._write(connection, [change for change in right if change.row not in unmended], stale)


def plan_again(store: Store, connection: Connection, planned: Iterable[Change]) -> Mapping[str, Change]:
    """Return what would be planned for the same rows now, by check and row: the comparison of compare-and-set."""
    again: dict[str, Change] = {}
    by_check: dict[str, list[Change]] = defaultdict(list)
    for change in planned:
        by_check[change.check].append(change)
    for id, of_check in by_check.items():
        check = checks().get(id)
        columns = check.relation.table.c
        keys = [values(store, change.key) for change in of_check]
        within = [or_(*(and_(*(columns[name] == value for name, value in key.items())) for key in keys))]
        for _, facts in list(suspects(connection, check.relation, store, [check], within)):
            finding = judge(check, facts)
            if finding is None:
                continue
            repair = repair_of(finding, repairs().by_id)
            if repair is not None:
                change = change_for(store, connection, finding, repair)
                again[change.row] = change
    return again


def write(store: Store, connection: Connection, change: Change) -> None:
    """Change one row, provided that it is as before; the caller has compared it under lock already."""
    rows = row_table(store, change.table)
    as_before = is_row(rows, values(store, {**change.key, **(change.before or {})}))
    if change.after is None:
        result = connection.execute(delete(rows).where(as_before))
    else:
        result = connection.execute(update(rows).where(as_before).values(values(store, change.after)))
    if result.rowcount != 1:
        raise HolystoneError(
            f"A row of {change.table} was changed under our lock; nothing of this chunk was written.",
            "Run the same command again.",
        )


def new_run(kind: str, *, plan: str | None = None, undoes: str | None = None) -> journal.Run:
    """Return a run that begins now, with an id that sorts by time."""
    started = time.gmtime()
    return journal.Run(
        run_id=f"{time.strftime('%Y%m%d-%H%M%S', started)}-{secrets.token_hex(3)}",
        kind=kind,
        plan=plan,
        undoes=undoes,
        actor=_actor(),
        version=holystone.__version__,
        started_at_ms=now_ms(),
        finished_at_ms=None,
        changes=(),
    )


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user id may have no name
        user = "unknown"
    return f"{user}@{platform.node()}"


def _is_done(store: Store, connection: Connection, change: Change) -> bool:
    """Return whether the row is already what the change would make of it."""
    rows = row_table(store, change.table)
    wanted = is_row(rows, values(store, {**change.key, **(change.after or {})}))
    found = connection.execute(select(*(rows.c[name] for name in change.key)).where(wanted)).first() is not None
    return found == (change.after is not None)


def _keys_by_table(store: Store, chunk: Sequence[Change]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the keys of the chunk's rows."""
    keys: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for change in chunk:
        keys[change.table].append(values(store, change.key))
    return keys

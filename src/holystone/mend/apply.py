"""Applying a plan: each row once more under lock, compared, changed, journaled, checked, in one transaction."""

import getpass
import platform
import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

import holystone
from holystone.clock import now_ms
from holystone.errors import HolystoneError
from holystone.mend import journal
from holystone.mend.change import Change, by_finding, changes_for, is_row, repair_of, row_table, values
from holystone.mend.locks import busy_instances
from holystone.mend.pace import Pace
from holystone.mend.plan import Plan
from holystone.mend.repair import Image, Safety, repairs
from holystone.scan.catalogue import checks
from holystone.scan.finding import judge
from holystone.scan.passes import Progress
from holystone.scan.reader import Reader
from holystone.store import Store

PATIENCE_SECONDS = 5.0
"""How long instances that the engine is working on are waited for, over the whole run."""

MOVED_ON = "the row or its history is no longer as planned"
ALREADY = "the row already is as planned"
BUSY = "the engine is working on the instance"
UNMENDED = "the check still finds the row after the change"


Group = tuple[Change, ...]
"""The changes that mend one finding: made together or not at all."""
Skipped = tuple[Change, str]
"""A change that was not made, and why."""


@dataclass
class Report:
    """What became of a plan. `applied` and `already` count rows; `left` are planned rows that stay undone.

    `run` is None where nothing was written; `unsafe` counts the changes left by each unsafe repair.
    """

    run: str | None = None
    applied: int = 0
    already: int = 0
    skipped: list[Skipped] = field(default_factory=list)
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
    for chunk in run.pace.chunks(by_finding(chosen)):
        run.apply(chunk)
        done += sum(map(len, chunk))
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
        self.waiting: list[Group] = []
        self.run = new_run("apply", plan=plan_hash)

    def apply(self, chunk: Sequence[Group], *, last_try: bool = False) -> None:
        """Apply a chunk in one transaction; what the engine is busy with is put off, or skipped at last."""
        with self.pace.transaction() as connection:
            busy = busy_instances(self.store, connection, [group[0].instance_id for group in chunk])
            waiting = [group for group in chunk if group[0].instance_id in busy]
            made, skipped, already = self._make(connection, [group for group in chunk if group not in waiting])
            if made and self.report.run is None:
                journal.begin(connection, self.run)
            journal.record(connection, self.run.run_id, self.written, made, now_ms())
        # Counted only now: the transaction has been committed.
        if made:
            self.report.run = self.run.run_id
        self.written += len(made)
        self.report.applied += len(made)
        self.report.already += already
        if last_try:
            skipped += [(change, BUSY) for group in waiting for change in group]
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

    def _make(self, connection: Connection, chunk: Sequence[Group]) -> tuple[list[Change], list[Skipped], int]:
        """Make the changes that are still right; return those, the stale ones, and how many were so already."""
        skipped: list[Skipped] = []
        already = 0
        self.store.flavour.lock_rows(connection, _keys_by_table(self.store, chunk))
        current = plan_again(self.store, connection, chunk)
        right: list[Group] = []
        for group in chunk:
            finding = group[0].finding
            if current.get(finding) == group:
                right.append(group)
            elif finding not in current and all(_is_done(self.store, connection, change) for change in group):
                already += len(group)
            else:
                skipped += [(change, MOVED_ON) for change in group]
        return self._write(connection, right, skipped), skipped, already

    def _write(self, connection: Connection, right: Sequence[Group], skipped: list[Skipped]) -> list[Change]:
        """Write the changes, and take those back that do not satisfy their check."""
        point = connection.begin_nested()
        for group in right:
            for change in group:
                write(self.store, connection, change)
        unmended = plan_again(self.store, connection, right).keys()
        if not unmended:
            point.commit()
            return [change for group in right for change in group]
        point.rollback()
        skipped += [(change, UNMENDED) for group in right if group[0].finding in unmended for change in group]
        return self._write(connection, [group for group in right if group[0].finding not in unmended], skipped)


def plan_again(store: Store, connection: Connection, planned: Iterable[Group]) -> Mapping[str, Group]:
    """Return what would be planned for the same findings now: the comparison of compare-and-set."""
    again: dict[str, Group] = {}
    # The plan knows which rows were old enough to be no race, and these are the same rows.
    reader, catalogue = Reader(store, connection, now_ms()), repairs().by_id
    by_relation: dict[tuple[str, str], list[Image]] = defaultdict(list)
    for group in planned:
        table, key = group[0].found_in
        by_relation[group[0].check, table].append(key)
    for (id, table), keys in by_relation.items():
        check = checks().get(id)
        relation = next(relation for relation in check.relations if relation.table.name == table)
        columns = relation.table.c
        rows = [values(store, key) for key in keys]
        within = [or_(*(and_(*(columns[name] == value for name, value in row.items())) for row in rows))]
        for _, facts in list(relation.suspects(reader, [check.violated], within)):
            finding = judge(check, relation, facts)
            repair = None if finding is None else repair_of(finding, catalogue)
            if finding is not None and repair is not None:
                changes = tuple(changes_for(store, connection, finding, repair))
                again[changes[0].finding] = changes
    return again


def write(store: Store, connection: Connection, change: Change) -> None:
    """Change one row, provided that it is as before; the caller has compared it under lock already."""
    rows = row_table(store, change.table)
    as_before = is_row(rows, values(store, {**change.key, **(change.before or {})}))
    statement: Any
    if change.before is None:
        row = values(store, {**change.key, **(change.after or {})})
        statement = insert(rows).values(row).execution_options(preserve_rowcount=True)
    elif change.after is None:
        statement = delete(rows).where(as_before)
    else:
        statement = update(rows).where(as_before).values(values(store, change.after))
    if connection.execute(statement).rowcount != 1:
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


def _keys_by_table(store: Store, chunk: Sequence[Group]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the keys of the chunk's rows, those that change and those that the findings are about."""
    keys: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for group in chunk:
        for table, key in [group[0].found_in, *((change.table, change.key) for change in group)]:
            if (row := values(store, key)) not in keys[table]:
                keys[table].append(row)
    return keys

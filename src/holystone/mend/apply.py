"""Applying a plan: each row once more under lock, compared, changed, journaled, checked, in one transaction."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import holystone
from holystone.clock import now_ms
from holystone.errors import JournalError
from holystone.mend import journal
from holystone.mend.actor import actor
from holystone.mend.attempt import Attempt, Cluster, Skipped
from holystone.mend.change import Change, Group, by_finding, instances_of
from holystone.mend.locks import busy_instances, why_busy
from holystone.mend.pace import Pace
from holystone.mend.passes import clusters, first_pass
from holystone.mend.plan import Plan
from holystone.mend.repair import Safety
from holystone.mend.surroundings import faults_of_store
from holystone.scan.relation_scan import Progress
from holystone.store.open_store import OpenStore

MOST_PASSES = 20
"""Passes of one run, so that it ends in any case: each kind of repair waits for the others at most once."""
PATIENCE_SECONDS = 5.0
"""How long instances that the engine is working on are waited for, over the whole run."""

WAITS = "another repair of the same instance comes first: make a plan again after it"


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
    def id(self) -> str:
        """The run's id in the journal, for an undo; JournalError where nothing was written, so that there is no run."""
        if self.run is None:
            raise JournalError("Nothing was written, so there is no run.", "Read `run`, which is None then.")
        return self.run

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


def apply_plan(
    store: OpenStore, plan: Plan, *, unsafe: Collection[str] = (), progress: Progress | None = None
) -> Report:
    """Carry out the plan's safe changes, and those of the unsafe repairs or checks named in `unsafe`.

    The journal must be installed. An interrupted run leaves each row either as it was or changed and
    journaled; applying the same plan again goes on with the rest.
    """
    application = Application(store, new_run("apply", plan=plan.hash), unsafe=unsafe)
    application.apply(plan, progress)
    return application.finish()


class Application:
    """A run that applies a plan, and plans that were made after it: a new one, or one that was stopped."""

    def __init__(self, store: OpenStore, run: journal.Run, *, unsafe: Collection[str] = ()) -> None:
        self._store = store
        self._named = {name.lower() for name in unsafe}
        self._pace = Pace(store)
        self._written = len(run.changes)
        self._waiting: list[Cluster] = []
        self._run = run
        self._faults: Sequence[str] = ()
        self._later: Sequence[Group] = ()
        self._unsafe: dict[str, Group] = {}
        self.report = Report(run=run.run_id if run.changes else None)

    @property
    def run_id(self) -> str:
        """The run's id in the journal, which has it from the first change on."""
        return self._run.run_id

    def apply(self, plan: Plan, progress: Progress | None = None) -> int:
        """Carry out a plan as `apply_plan` does; return how many rows were changed."""
        before, done = self.report.applied, 0
        now, self._later = first_pass([group for group in by_finding(plan.changes) if self._is_chosen(group)])
        with self._store.snapshot() as connection:
            self._faults = faults_of_store(self._store, connection, set().union(*map(instances_of, now)))
        total = sum(map(len, now))
        for chunk in self._pace.chunks(clusters(now)):
            self._apply(chunk)
            done += sum(len(group) for cluster in chunk for group in cluster)
            if progress is not None:
                progress("changes", done, total)
        self._apply_waiting()
        return self.report.applied - before

    def go_on(self, plan: Plan, plan_again: Callable[[Collection[str]], Plan]) -> Iterator[Plan]:
        """Yield the plans of the passes after `plan`, which has been applied: each is applied as the next is asked for.

        Only the instances that wait are judged anew, by `plan_again`. It ends where nothing waits that may be made, or
        where a pass changed nothing.
        """
        for _ in range(MOST_PASSES):
            waiting = plan.waiting_instances.union(*map(instances_of, self._later))
            if not waiting:
                return
            plan = plan_again(waiting)
            # What was made first may have taken away what the others were for.
            there = {change.finding for change in plan.changes}
            self._later = [group for group in self._later if group[0].finding in there]
            if not any(change.safety == Safety.safe or self._is_named(change) for change in plan.changes):
                return
            yield plan
            if not self.apply(plan):
                return

    def finish(self) -> Report:
        """Write that the run has come to its end, and return what became of it."""
        self.report.skipped += [(change, WAITS) for group in self._later for change in group]
        self.report.unsafe = dict(Counter(change.repair for group in self._unsafe.values() for change in group))
        if self.report.run is not None:
            with self._store.transaction() as connection:
                journal.finish(connection, self._run.run_id, self._store.flavour.now_ms(connection))
        return self.report

    def _is_chosen(self, group: Group) -> bool:
        """Return whether it is to be made; what is not, a later plan may come upon again, and have safe by then."""
        self._unsafe.pop(group[0].finding, None)
        if group[0].safety == Safety.safe or self._is_named(group[0]):
            return True
        self._unsafe[group[0].finding] = group
        return False

    def _is_named(self, change: Change) -> bool:
        return bool({change.check.lower(), change.repair.lower()} & self._named)

    def _apply(self, chunk: Sequence[Cluster], *, last_try: bool = False) -> None:
        """Apply a chunk in one transaction; what the engine or others are busy with is put off, or skipped at last."""
        with self._pace.transaction() as connection:
            busy = busy_instances(self._store, connection, _touched(chunk))
            waiting = [cluster for cluster in chunk if busy & _touched([cluster])]
            attempt = Attempt(self._store, connection, self._faults, self._is_named)
            attempt.make([cluster for cluster in chunk if not busy & _touched([cluster])])
            made = attempt.made
            waiting += [cluster for cluster, _ in attempt.held]
            reasons = {id(cluster): why for cluster, why in attempt.held}
            if last_try:
                reasons |= {
                    id(one): why_busy(self._store, connection, _touched([one]) & busy)
                    for one in waiting
                    if id(one) not in reasons
                }
            if made and self.report.run is None:
                journal.begin(connection, self._run)
            now = self._store.flavour.now_ms(connection)
            journal.record(connection, self._run.run_id, self._written, made, now, attempt.took_away)
        # Counted only now: the transaction has been committed.
        if made:
            self.report.run = self._run.run_id
        self._written += len(made)
        self.report.applied += len(made)
        self.report.already += attempt.already
        self.report.skipped += attempt.skipped
        if last_try:
            self.report.skipped += [(change, reasons[id(one)]) for one in waiting for group in one for change in group]
        else:
            self._waiting += waiting

    def _apply_waiting(self) -> None:
        """Try the instances again that the engine or others were busy with, for a while."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._waiting:
            time.sleep(min(0.2, PATIENCE_SECONDS))
            again, self._waiting = self._waiting, []
            for chunk in self._pace.chunks(again):
                self._apply(chunk, last_try=time.monotonic() >= until)


def new_run(
    kind: str, *, plan: str | None = None, undoes: str | None = None, asked_for: str | None = None
) -> journal.Run:
    """Return a run that begins now by the clock of whoever runs it, with an id that sorts by time."""
    started = time.gmtime()
    return journal.Run(
        run_id=f"{time.strftime('%Y%m%d-%H%M%S', started)}-{secrets.token_hex(3)}",
        kind=kind,
        plan=plan,
        undoes=undoes,
        actor=actor(),
        version=holystone.__version__,
        started_at_ms=now_ms(),
        finished_at_ms=None,
        changes=(),
        asked_for=asked_for,
    )


def _touched(chunk: Iterable[Cluster]) -> set[str]:
    return set().union(*(instances_of(group) for cluster in chunk for group in cluster))

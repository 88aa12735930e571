"""The scan: many checks in one pass a relation, over one snapshot of the store."""

import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime
from itertools import chain, compress
from math import ceil
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holystone.errors import CatalogueError, OutOfTimeError, UnfinishedScanError
from holystone.flavours.savepoint import savepoint
from holystone.flavours.structure import Objects
from holystone.scan.applicability import Applicability
from holystone.scan.catalogue import checks
from holystone.scan.check import Check, Level
from holystone.scan.failure import Failure, failure
from holystone.scan.finding import Finding, judge, require_printable
from holystone.scan.parallel import Task, in_order
from holystone.scan.pattern import is_any_matched
from holystone.scan.policy import AS_DECLARED, Policy
from holystone.scan.prefilters import PREFILTERS
from holystone.scan.prefilters.prefilter import CheckGroups, Prefilter, PrefilterResult
from holystone.scan.prefilters.run import PrefilterRun, prefilter_run
from holystone.scan.reader import RACE_WINDOW_SECONDS, Reader
from holystone.scan.relation import WORTH_CUTTING, Conditions, Facts, Relation, rows_per_range
from holystone.scan.relation_scan import Progress, RelationScan, Step
from holystone.scan.relations.objects import DAMAGES
from holystone.scan.remainder import Remainder
from holystone.scan.result import Outcome, Result, Verdict
from holystone.scan.unread import Unread
from holystone.scan.watermark import Coverage
from holystone.store.open_store import OpenStore


class Scan:
    """One run of some checks over a store: iterate over it once for the findings, then read the results.

    Findings come as they are found, relation by relation, in the order of instance and execution ids. A check that
    cannot run is recorded as failed, and the others go on; errors of opening the store or of a snapshot that cannot be
    relied on are raised. Findings whose fingerprints are `known` count as neither found nor new: only `baseline` says
    how many there were, and `suppressed` those that the `policy` puts up with. A `coverage` narrows the scan to the
    instances that it names. `selected_by` are the words of a command line that chose the checks, and `left_out` the ids
    that these leave out; `race_window` is the age in seconds from which a row that lacks another is no race; `jobs` is
    the number of connections that read at the same time, on Linux some of them in processes that are forked for it.
    Without `prefilters` every relation scans at all of its rows. `satellites` is the number of instances that
    pg_durable runs for other databases, where their rows are. `unmatched` is the pattern of `instances` that no
    instance matches: then nothing is checked, and no check counts as clean.
    `unloaded` says which checks of plug-ins there would be, had they been loaded: no scan without them is complete.
    Where the run time of the store is over before the end, the checks that have not looked at all have failed, and
    `unfinished` has their ids.
    """

    def __init__(
        self,
        store: OpenStore,
        checks: Sequence[Check],
        *,
        level: Level = Level.standard,
        instances: str | None = None,
        known: Collection[str] = (),
        selected_by: Sequence[str] = (),
        left_out: Sequence[str] = (),
        policy: Policy = AS_DECLARED,
        coverage: Coverage | None = None,
        race_window: int = RACE_WINDOW_SECONDS,
        jobs: int = 1,
        progress: Progress | None = None,
        prefilters: Sequence[Prefilter] = PREFILTERS,
        unloaded: Sequence[CatalogueError] = (),
    ) -> None:
        self.store = store
        self.level = level
        self.selected_by = selected_by
        self.left_out = left_out
        self.baseline = 0
        self.suppressed = 0
        self.unmatched: str | None = None
        self.unfinished: list[str] = []
        self.satellites = 0
        self.coverage = coverage
        self.results = {check.id: Result(check) for check in checks}
        self.unread_instances: set[Any] = set()
        self.scanned = {"instances": 0, "executions": 0, "events": 0}
        self.started_at = datetime.now(UTC)
        self.duration_ms = 0
        self._took: dict[str, float] = {}
        self._ahead: dict[str, Objects] = {}
        self._remainder = Remainder()
        self._instances = instances
        self._known = frozenset(known)
        self.policy = policy
        self._applicability = Applicability(store, policy, instances)
        self._suppressions = policy.in_force(date.today())
        self._race_window = race_window
        self._begun_ms: int | None = None
        self._is_begun = False
        self._is_over = False
        self._jobs = jobs
        self._progress = progress
        self._prefilters = prefilters
        self.unloaded = unloaded

    @property
    def verdict(self) -> Verdict:
        """What the scan says of the store; UnfinishedScanError before it has been iterated over to its end."""
        if not self._is_over:
            raise UnfinishedScanError(
                "The scan has not been iterated over to its end, so it has no verdict.",
                "Take all of its findings first, or call holystone.check, which does.",
            )
        outcomes = {result.outcome for result in self.results.values()}
        if Outcome.failed in outcomes or outcomes == {Outcome.skipped} or self.unread_instances or self.unloaded:
            return Verdict.incomplete
        return Verdict.drift if Outcome.found in outcomes else Verdict.clean

    @property
    def unread(self) -> list[Unread]:
        """The rows that no check or not every check could look at, each once."""
        return list({str(row): row for result in self.results.values() for row in result.unread}.values())

    @property
    def database_check_seconds(self) -> float | None:
        """How long the database's own check took, of all the time that the scan did; None where it was not made."""
        return self._took.get(DAMAGES.name)

    @property
    def verifies(self) -> bool:
        """Whether the rows need not be looked at again until they change: not where a known finding was left out."""
        return self.verdict is Verdict.clean and not self.baseline

    def __iter__(self) -> Generator[Finding, None, None]:
        if self._is_begun:
            raise UnfinishedScanError("A scan can be iterated over once.", "Make another one for another look.")
        self._is_begun = True
        yield from self._whole()
        self._is_over = True

    def _whole(self) -> Iterator[Finding]:
        """Yield all findings of the store, or of the instances that were chosen."""
        begun = time.monotonic()
        try:
            with self._stopping():
                yield from self._run()
        finally:
            self.duration_ms = round((time.monotonic() - begun) * 1000)

    def _run(self) -> Iterator[Finding]:
        groups = self._groups()
        if self._instances is not None and not is_any_matched(self.store, self._instances):
            self.unmatched = self._instances
            unmatched = Failure(f"No instance matches {self._instances!r}: nothing was checked.")
            for result in self.results.values():
                unmatched.note(result)
            return
        only = None if self.coverage is None else self.coverage.instances
        with ExitStack() as stack:
            run = stack.enter_context(prefilter_run(self.store, groups, self._prefilters, self._jobs, only))
            before = time.monotonic()
            connections = stack.enter_context(self.store.snapshots(self._jobs))
            # The time before the snapshot, so that nothing in it is taken for older than it was then.
            now = self.store.flavour.now_ms(connections[0])
            self._begun_ms = now - ceil((time.monotonic() - before) * 1000)
            # What was found by then holds only if the snapshot ends well.
            with self._stopping():
                yield from self._all_found(connections, groups, run)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Have the checks fail that have not looked at all when the run time of the store is over."""
        try:
            yield
        except OutOfTimeError as error:
            self.unfinished += self._remainder.fail(self.results, error)

    def of_instances(self, connection: Connection, instances: Sequence[str], now_ms: int) -> list[Finding]:
        """Return the findings of these instances alone, as a transaction sees them that has begun already.

        What happened within the race window before `now_ms`, in ms since the epoch, may be a race.
        """
        self._begun_ms = now_ms
        flavour = self.store.flavour
        groups = [(relation, checks) for relation, checks in self._groups() if not relation.of_store]
        scans = [
            RelationScan(relation, checks, list(relation.key_ranges_of(flavour, instances)), 0)
            for relation, checks in groups
        ]
        return list(self._found([connection], scans))

    def of_store(self, connection: Connection) -> list[Finding]:
        """Return the findings of the store as a whole, as a transaction sees it that has begun already."""
        groups = [(relation, checks) for relation, checks in self._groups() if relation.of_store]
        return list(self._found([connection], [RelationScan(relation, checks, [[]], 1) for relation, checks in groups]))

    def _all_found(
        self, connections: list[Connection], groups: CheckGroups, run: PrefilterRun | None
    ) -> Iterator[Finding]:
        """Yield the findings of all groups: first of those that look at all rows, then of what a prefilter has left."""
        first = [one for one in groups if one[0].precedes_others(self.store.flavour)]
        yield from self._found(connections, self._scans(connections[0], first))
        groups = [one for one in groups if one not in first]
        if run is None:
            yield from self._found(connections, self._scans(connections[0], groups))
            return
        result: PrefilterResult | None = None

        def prefilter(connection: Connection, report: Progress | None = None) -> Iterator[Step]:
            nonlocal result
            # The database's own check takes as long as much else, and nobody else could take a part in it later.
            beside = [DAMAGES] if any(relation is DAMAGES for relation, _ in others) else []
            result = run.result(self._reader(connection), self._instances, report, beside)
            self.store.require_time()
            return iter(())

        proven, others = run.partition(groups)
        scans = self._scans(connections[0], others)
        if run.runs_concurrently:
            yield from self._found(connections, scans, beside=[prefilter])
        else:
            prefilter(connections[0], self._report)
            yield from self._found(connections, scans)
        yield from self._found(connections, self._scans(connections[0], proven, result))

    def to_run(self) -> list[Check]:
        """Return those of the checks that apply to the store."""
        return [result.check for result in self.results.values() if self._applicability.why_not(result.check) is None]

    def _groups(self) -> CheckGroups:
        """Return each relation with those of its checks that apply to this store."""
        groups: dict[str, tuple[Relation, list[Check]]] = {}
        for result in self.results.values():
            check = result.check
            result.reason = self._applicability.why_not(check)
            if result.reason is not None:
                result.outcome = Outcome.skipped
                continue
            for relation in check.relations:
                if self._applicability.lacking(check, relation) is None:
                    groups.setdefault(relation.name, (relation, []))[1].append(check)
                    self._remainder.add(check, relation)
        return list(groups.values())

    def _scans(
        self, connection: Connection, groups: CheckGroups, result: PrefilterResult | None = None
    ) -> list[RelationScan]:
        """Return the scans of relations: where a prefilter has run, of the instances that it has left in doubt."""
        if result is not None:
            self.scanned["events"] = result.events
        scans = (self._scan(connection, relation, checks, result) for relation, checks in groups)
        return [scan for scan in scans if scan is not None]

    def _scan(
        self, connection: Connection, relation: Relation, checks: Sequence[Check], result: PrefilterResult | None
    ) -> RelationScan | None:
        """Return the pass over a relation, or over what a prefilter has left of it; None where it cannot be made."""
        reader = self._reader(connection)
        selected: Conditions = []
        if self._instances is not None:
            selected = relation.of_instances(self.store.flavour, self._instances)
        left = rows = None
        if result is not None:
            left, rows = result.instances_left(relation), result.rows(relation)
        changed = None if self.coverage is None or not relation.follows_acks else self.coverage.instances
        key_ranges: list[Conditions] = [[]]
        try:
            with savepoint(connection):
                if changed is not None:
                    key_ranges = list(relation.key_ranges_of(self.store.flavour, changed))
                of_all = left is None and changed is None
                self.satellites += relation.satellites(reader, selected)
                if rows is None and relation.counted and (of_all or relation.reported):
                    rows = sum(relation.total(reader, [*selected, *key_range]) for key_range in key_ranges)
                if rows is not None:
                    self._count(relation, rows)
                if left is not None:
                    key_ranges, rows = list(relation.key_ranges_of(self.store.flavour, left)), len(left)
                elif of_all and self._is_surely_empty(relation, rows):
                    key_ranges = []
                elif changed is None and rows is not None and rows > WORTH_CUTTING:
                    key_ranges = list(relation.key_ranges(reader, selected, rows_per_range(rows, self._jobs)))
        except DBAPIError as error:
            if not self.store.flavour.is_of_rows(error):
                self._fail(relation, checks, error)
                return None
            key_ranges, rows = [[]], None
        return RelationScan(relation, checks, [[*selected, *key_range] for key_range in key_ranges], rows or 0)

    def _is_surely_empty(self, relation: Relation, rows: int | None) -> bool:
        """Return whether the relation surely has no row: what it takes to ask costs as much as to ask of many."""
        return rows == 0 and relation.rows_are_of_table

    def _found(
        self,
        connections: list[Connection],
        scans: Sequence[RelationScan],
        beside: Sequence[Task[Connection, Step]] = (),
    ) -> Iterator[Finding]:
        """Yield the findings of some scans, one after the other; connections that have no more to do go on.

        What is to be done `beside` them is begun first.
        """
        tasks = chain(beside, (task for scan in scans for task in scan.tasks(self._reader)))
        last: RelationScan | None = None
        for scan in scans:
            if not scan.key_ranges:
                self._remainder.take(scan)
        with closing(in_order(tasks, connections, self.store.flavour.interrupt)) as steps:
            for step in steps:
                if last is not None and last is not step.scan:
                    self._end(last)
                last = step.scan
                # What fails from then on fails for that, and what comes was not read for certain.
                self.store.require_time()
                if step.error is not None:
                    self._fail(last.relation, last.checks, step.error)
                elif isinstance(step.facts, Unread):
                    for check in compress(last.checks, step.flags):
                        self.results[check.id].unread.append(step.facts)
                        self.unread_instances.add(last.relation.instance_of(step.facts.key))
                elif step.facts is None:
                    self._report(last.relation.name, step.done, last.total)
                else:
                    yield from self._judged(step)
                del step  # it may hold long texts, and the next one take long
        if last is not None:
            self._end(last)

    def _end(self, scan: RelationScan) -> None:
        self._report(scan.relation.name, scan.total, scan.total)
        self._remainder.take(scan)

    def _fail(self, relation: Relation, checks: Sequence[Check], error: BaseException) -> None:
        self.store.require_time()
        found = failure(self.store.flavour, relation, error)
        for check in checks:
            found.note(self.results[check.id])

    def _judged(self, step: Step) -> Iterator[Finding]:
        """Yield the findings of checks on a suspect row; a check that fails leaves the others as they are."""
        relation = step.scan.relation
        for check in compress(step.scan.checks, step.flags):
            try:
                finding = self._judge(check, relation, step.facts)
            except (Exception, SystemExit) as error:
                self._fail(relation, [check], error)
                continue
            if finding is not None:
                yield finding

    def _reader(self, connection: Connection) -> Reader:
        return Reader(self.store, connection, self._begun_ms, self._race_window, self._took, self._ahead)

    def _judge(self, check: Check, relation: Relation, facts: Facts) -> Finding | None:
        finding = judge(check, relation, facts)
        self.store.require_time()
        if finding is not None and (plug_in := checks().plug_in_of(check.id)) is not None:
            require_printable(finding, plug_in, self.store.flavour.to_json)
        if finding is not None and finding.fingerprint in self._known:
            self.baseline += 1
            return None
        if finding is not None and any(suppression.covers(finding) for suppression in self._suppressions):
            self.suppressed += 1
            return None
        if finding is not None:
            if self.results[check.id].outcome is Outcome.clean:
                self.results[check.id].outcome = Outcome.found
            self.results[check.id].count += 1
            self.results[check.id].worst = max(finding.severity, self.results[check.id].worst or finding.severity)
        return finding

    def _count(self, relation: Relation, rows: int) -> None:
        self.scanned[relation.name] = rows
        if relation.name == "executions":
            # Of each execution, its last event is read.
            self.scanned["events"] = max(rows, self.scanned["events"])

    def _report(self, name: str, done: int, total: int) -> None:
        self._remainder.reach(name, done, total)
        if self._progress is not None:
            self._progress(name, done, total)

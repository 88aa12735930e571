"""The scan: many checks in one pass a relation, over one snapshot of the store."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select
from sqlalchemy.exc import DBAPIError

from holystone.scan.check import Check, Level, Severity
from holystone.scan.finding import Finding, judge
from holystone.scan.parallel import in_order
from holystone.scan.relation import Facts, Relation
from holystone.store import Store

STRIDE = 50_000
"""Rows of a relation between two reports of progress; a store of millions gets through in flat memory."""

Progress = Callable[[str, int, int], None]
"""Called with a relation's name, the rows done, and the rows in all."""


class Outcome(StrEnum):
    clean = "clean"
    found = "found"
    skipped = "skipped"
    failed = "failed"


class Verdict(StrEnum):
    clean = "clean"
    drift = "drift"
    incomplete = "incomplete"


@dataclass
class Result:
    """How one check fared; `reason` says why it was skipped or failed."""

    check: Check
    outcome: Outcome = Outcome.clean
    count: int = 0
    reason: str | None = None


class Scan:
    """One run of some checks over a store: iterate over it once for the findings, then read the results.

    Findings come as they are found, relation by relation, in the order of instance and execution ids. A
    check that cannot run is recorded as failed, and the others go on; errors of opening the store or of
    a snapshot that cannot be relied on are raised. Findings whose fingerprints are `known` count as neither
    found nor new: only `baseline` says how many there were. `selected_by` are the words of a
    command line that chose the checks; `jobs` is the number of connections that read at the same time.
    """

    def __init__(
        self,
        store: Store,
        checks: Sequence[Check],
        *,
        level: Level = Level.standard,
        instances: str | None = None,
        known: Collection[str] = (),
        selected_by: Sequence[str] = (),
        jobs: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.store = store
        self.level = level
        self.selected_by = selected_by
        self.baseline = 0
        self.results = {check.id: Result(check) for check in checks}
        self.scanned = {"instances": 0, "executions": 0, "events": 0}
        self.started_at = datetime.now(UTC)
        self.duration_ms = 0
        self._instances = instances
        self._known = frozenset(known)
        self._jobs = jobs
        self._progress = progress

    @property
    def verdict(self) -> Verdict:
        outcomes = {result.outcome for result in self.results.values()}
        if Outcome.failed in outcomes:
            return Verdict.incomplete
        return Verdict.drift if Outcome.found in outcomes else Verdict.clean

    @property
    def worst(self) -> Severity | None:
        """The highest severity of a finding, None where nothing was found."""
        return max((result.check.severity for result in self.results.values() if result.count), default=None)

    def __iter__(self) -> Iterator[Finding]:
        begun = time.monotonic()
        try:
            with self.store.snapshots(self._jobs) as connections:
                for relation, checks in self._passes():
                    yield from self._guarded(connections, relation, checks)
        finally:
            self.duration_ms = round((time.monotonic() - begun) * 1000)

    def _passes(self) -> list[tuple[Relation[Any], list[Check]]]:
        """Return each relation with those of its checks that apply to this store."""
        passes: dict[str, tuple[Relation[Any], list[Check]]] = {}
        for result in self.results.values():
            check = result.check
            if self.store.flavour.name in check.flavours:
                passes.setdefault(check.relation.name, (check.relation, []))[1].append(check)
            else:
                result.outcome = Outcome.skipped
                result.reason = f"does not apply to a store on {self.store.flavour.name}"
        return list(passes.values())

    def _guarded(
        self, connections: list[Connection], relation: Relation[Any], checks: list[Check]
    ) -> Iterator[Finding]:
        try:
            with ExitStack() as stack:
                for connection in connections:
                    stack.enter_context(connection.begin_nested())
                yield from self._pass(connections, relation, checks)
        except DBAPIError as error:
            for check in checks:
                self.results[check.id].outcome = Outcome.failed
                self.results[check.id].reason = self.store.flavour.explain(error).message

    def _pass(self, connections: list[Connection], relation: Relation[Any], checks: list[Check]) -> Iterator[Finding]:
        first, instance_id = connections[0], relation.table.c.instance_id
        selected: list[ColumnElement[bool]] = []
        if self._instances is not None:
            selected.append(self.store.flavour.matches_glob(instance_id, self._instances))
        total = first.execute(select(func.count()).select_from(relation.table).where(*selected)).scalar_one()
        self._count(relation, total)
        spans = list(_spans(first, instance_id, selected))
        pieces = (
            partial(self._suspects, relation=relation, checks=checks, within=[*selected, *span], done=n * STRIDE)
            for n, span in enumerate(spans)
        )
        for done, flags, facts in in_order(pieces, connections, self.store.flavour.interrupt):
            if facts is None:
                self._report(relation, done, total)
                continue
            for check, suspected in zip(checks, flags, strict=True):
                if suspected and (finding := self._judge(check, facts)) is not None:
                    yield finding
        self._report(relation, total, total)

    def _suspects(
        self,
        connection: Connection,
        relation: Relation[Any],
        checks: list[Check],
        within: Sequence[ColumnElement[bool]],
        done: int,
    ) -> Iterator[tuple[int, list[bool], Any]]:
        """Yield the suspects of one span, and before them no suspect at all: so many rows are done by then."""
        yield done, [], None
        for flags, facts in suspects(connection, relation, self.store, checks, within):
            yield done, flags, facts

    def _judge(self, check: Check, facts: Facts) -> Finding | None:
        finding = judge(check, facts)
        if finding is not None and finding.fingerprint in self._known:
            self.baseline += 1
            return None
        if finding is not None:
            self.results[check.id].outcome = Outcome.found
            self.results[check.id].count += 1
        return finding

    def _count(self, relation: Relation[Any], rows: int) -> None:
        self.scanned[relation.name] = rows
        if relation.name == "executions":
            # Of each execution, its last event is read.
            self.scanned["events"] = rows

    def _report(self, relation: Relation[Any], done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(relation.name, min(done, total), total)


def suspects(
    connection: Connection,
    relation: Relation[Any],
    store: Store,
    checks: Sequence[Check],
    within: Sequence[ColumnElement[bool]],
) -> Iterator[tuple[list[bool], Any]]:
    """Yield the rows that violate any of the predicates: which of them, in order, and the row's facts.

    One statement for all checks: this is what makes a catalogue cost little more than its dearest check.
    """
    source = relation.source(store.flavour, within)
    # A predicate stays bare: as a condition SQLite stops at the first part that decides it, but wrapped in a
    # function it would evaluate every part for every row. NULL counts as not violated.
    violated = [check.violated(source) for check in checks]
    bits = [predicate.label(f"violated_{number}") for number, predicate in enumerate(violated)]
    statement = select(*bits, *source.output()).select_from(source.rows).where(or_(*violated)).order_by(*source.key)
    for row in connection.execute(statement.execution_options(yield_per=500)):
        yield [bool(bit) for bit in row[: len(checks)]], relation.facts(store.flavour, row)


def _spans(
    connection: Connection, column: ColumnElement[str], within: Sequence[ColumnElement[bool]]
) -> Iterator[list[ColumnElement[bool]]]:
    """Yield conditions that cut the column's values into spans of about STRIDE rows, in order."""
    span: list[ColumnElement[bool]] = []
    while True:
        bound = connection.execute(
            select(column).where(*within, *span).order_by(column).offset(STRIDE).limit(1)
        ).scalar_one_or_none()
        if bound is None:
            yield span
            return
        yield [*span, column <= bound]
        span = [column > bound]

"""The scan: many checks in one pass a relation, over one snapshot of the store."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select
from sqlalchemy.exc import DBAPIError

from holystone.scan.check import Check, Level, Severity
from holystone.scan.finding import Finding, judge
from holystone.scan.relation import Relation
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
    found nor new: only `baseline` says how many there were.
    """

    def __init__(
        self,
        store: Store,
        checks: Sequence[Check],
        *,
        level: Level = Level.standard,
        instances: str | None = None,
        known: Collection[str] = (),
        progress: Progress | None = None,
    ) -> None:
        self.store = store
        self.level = level
        self.baseline = 0
        self.results = {check.id: Result(check) for check in checks}
        self.scanned = {"instances": 0, "executions": 0, "events": 0}
        self.started_at = datetime.now(UTC)
        self.duration_ms = 0
        self._instances = instances
        self._known = frozenset(known)
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
            with self.store.snapshot() as connection:
                for relation, checks in self._passes():
                    yield from self._guarded(connection, relation, checks)
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

    def _guarded(self, connection: Connection, relation: Relation[Any], checks: list[Check]) -> Iterator[Finding]:
        try:
            with connection.begin_nested():
                yield from self._pass(connection, relation, checks)
        except DBAPIError as error:
            for check in checks:
                self.results[check.id].outcome = Outcome.failed
                self.results[check.id].reason = self.store.flavour.explain(error).message

    def _pass(self, connection: Connection, relation: Relation[Any], checks: list[Check]) -> Iterator[Finding]:
        instance_id = relation.table.c.instance_id
        selected: list[ColumnElement[bool]] = []
        if self._instances is not None:
            selected.append(self.store.flavour.matches_glob(instance_id, self._instances))
        total = connection.execute(select(func.count()).select_from(relation.table).where(*selected)).scalar_one()
        self._count(relation, total)
        done = 0
        for span, rows in _strides(connection, instance_id, selected):
            self._report(relation, done, total)
            yield from self._suspects(connection, relation, checks, [*selected, *span])
            done += rows
        self._report(relation, total, total)

    def _suspects(
        self,
        connection: Connection,
        relation: Relation[Any],
        checks: list[Check],
        within: Sequence[ColumnElement[bool]],
    ) -> Iterator[Finding]:
        for row, facts in suspects(connection, relation, self.store, checks, within):
            for check, suspected in zip(checks, row, strict=True):
                finding = judge(check, facts) if suspected else None
                if finding is None:
                    continue
                if finding.fingerprint in self._known:
                    self.baseline += 1
                    continue
                self.results[check.id].outcome = Outcome.found
                self.results[check.id].count += 1
                yield finding

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


def _strides(
    connection: Connection, column: ColumnElement[str], within: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[list[ColumnElement[bool]], int]]:
    """Yield conditions that cut the column's values into spans of about STRIDE rows, in order."""
    span: list[ColumnElement[bool]] = []
    while True:
        bound = connection.execute(
            select(column).where(*within, *span).order_by(column).offset(STRIDE).limit(1)
        ).scalar_one_or_none()
        if bound is None:
            yield span, STRIDE
            return
        yield [*span, column <= bound], STRIDE
        span = [column > bound]

"""Whether a store is clean, found out again and again, and quickly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from holystone.scan.catalogue import select_checks
from holystone.scan.check import Check, Level
from holystone.scan.relation import Relation
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store

STUCK = ("I007", "I011")
"""The checks that tests of turns need not hold to: what the kit plays has no code, and so waits for nothing."""

Found = list[tuple[str, str, int | None]]
"""Findings, as check, instance and execution."""


class CleanCheck:
    """Scans a store with the catalogue, but only where a finding is possible.

    To build the statements of a scan takes longer than to run them on a small store. So those of a scan of the
    empty store are kept, and run once more: as long as none returns a row where it returned none then, no check has
    anything to look at, and there is no need of another scan. A statement that asks for the age of a row goes by
    the time of that first scan, as if the test had taken no time.
    """

    def __init__(self, empty: Store, kept: Connection | None = None) -> None:
        """`kept` is a connection to read from that stays open: a new one has all statements to plan anew."""
        self._store = empty
        self._kept = kept
        groups: dict[object, list[Check]] = defaultdict(list)
        for check in Scan(empty, select_checks(Level.deep)).to_run():
            # Nor does a turn change the schema.
            if check.id not in STUCK and not any(relation.of_store for relation in check.relations):
                groups[check.relations].append(check)
        self.patrols = [Patrol(empty, checks) for checks in groups.values()]

    def findings(self) -> Found:
        """Return what the catalogue finds; every check must have run."""
        with self._snapshot() as connection:
            alarmed = [patrol for patrol in self.patrols if patrol.alarmed(connection)]
        return [found for patrol in alarmed for found in patrol.scan()]

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        if self._kept is None:
            with self._store.snapshot() as connection:
                yield connection
        else:
            with self._kept.begin():
                yield self._kept


class AskingScan(Scan):
    """A scan that asks of tables without rows as well, so that there are statements to keep."""

    @override
    def _is_surely_empty(self, relation: Relation, rows: int | None) -> bool:
        return False


@dataclass
class Patrol:
    """The checks of the same relations, and the statements of their scan that return nothing on an empty store."""

    store: Store
    checks: list[Check]
    statements: list[tuple[str, Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        event.listen(self.store._reader, "after_cursor_execute", self._note)
        assert self.scan() == []
        event.remove(self.store._reader, "after_cursor_execute", self._note)
        with self.store.snapshot() as connection:
            self.statements = [one for one in self.statements if not _returns_row(connection, one)]

    def scan(self) -> Found:
        scan = AskingScan(self.store, self.checks)
        found = [(finding.check.id, finding.instance_id, finding.execution_id) for finding in scan]
        assert scan.verdict is not Verdict.incomplete, [result.reason for result in scan.results.values()]
        return found

    def alarmed(self, connection: Connection) -> bool:
        """Return whether any of the statements returns a row, or fails at one that it does not expect."""
        try:
            return any(_returns_row(connection, one) for one in self.statements)
        except DBAPIError:
            return True

    def _note(self, connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if cursor.description:  # else it returns no rows at all, as BEGIN
            self.statements.append((statement, parameters))


def _returns_row(connection: Connection, statement: tuple[str, Any]) -> bool:
    return connection.exec_driver_sql(*statement).first() is not None

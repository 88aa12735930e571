"""One real store, with two workers on it that can be made to die in the middle of a transaction."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import psycopg
from sqlalchemy import Connection, event

from conftest import EngineStore
from holystone import clock
from holystone.flavours.postgresql.pipelined import PipelinedConnector
from holystone.flavours.statements import StatementResult, Step
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store
from holystone.store.turns.lease import OrchestrationItem
from machine.view import COLUMNS, Contents, in_order
from turns.clean import CleanCheck

RunLast = Callable[[Connection, Sequence[Step]], list[StatementResult]]

COMMIT = "COMMIT"
_TABLE = re.compile(rf"\b({'|'.join(COLUMNS)})\b")


class Crash(BaseException):
    """As if the process had died here."""


class _FarAhead:
    """A clock that is some years fast."""

    @staticmethod
    def time_ns() -> int:
        return time.time_ns() + 10**18


class Lane:
    """A store of one flavour, empty at first.

    `crash_at` names the point at which the next transaction dies: before the first statement of that name, such as
    `INSERT history`, or else before it commits. `points` are the names of all statements that were run.
    """

    def __init__(self, made: EngineStore) -> None:
        self.flavour = made.flavour
        self.crash_at: str | None = None
        self.points: set[str] = set()
        self._workers = [Store.open(made.target, made.schema) for _ in range(2)]
        self._reader = Store.open(made.target, made.schema, read_only=True)
        self._checks = select_checks(Level.deep)
        with mock.patch.object(clock, "time", _FarAhead):  # so that nothing is too new to be suspected
            self._clean = CleanCheck(self._reader)
        self._rows: sqlite3.Connection | psycopg.Connection
        if made.flavour == "sqlite":
            self._rows = sqlite3.connect(made.target, isolation_level=None)
        else:
            self._rows = psycopg.connect(made.target, autocommit=True, options=f"-csearch_path={made.schema}")
        for worker in self._workers:
            event.listen(worker._writer, "before_cursor_execute", self._before_statement)
            event.listen(worker._writer, "commit", self._before_commit)
            if isinstance(worker.flavour, PipelinedConnector):
                worker.flavour._run_last = self._before_last(worker.flavour._run_last)  # type: ignore[assignment, method-assign]

    def close(self) -> None:
        self._rows.close()

    def clear(self) -> None:
        """Take all rows away."""
        for table in (*COLUMNS, "sessions"):
            self._rows.execute(f"DELETE FROM {table}")

    def call(self, method: str, worker: int, *values: Any, **named: Any) -> Any:
        """Have a worker do something, and return what it says, moments in columns left out."""
        said = getattr(self._workers[worker], method)(*values, **named)
        if isinstance(said, OrchestrationItem):
            return replace(said, history=list(said.history), messages=list(said.messages), kv=dict(said.kv))
        if method == "list_executions":
            return sorted((row.instance_id, row.execution_id, row.name, row.status, row.output) for row in said)
        return said

    def contents(self) -> Contents:
        """Return what the tables hold, each value as the driver gives it, but re-printed messages read."""
        found: Contents = {}
        for table, columns in COLUMNS.items():
            order = " ORDER BY id" if table.endswith("_queue") else ""
            found[table] = self._rows.execute(f"SELECT {', '.join(columns)} FROM {table}{order}").fetchall()
            if self.flavour == "postgresql" and "work_item" in columns:
                number = columns.index("work_item")
                found[table] = [(*row[:number], json.loads(row[number]), *row[number + 1 :]) for row in found[table]]
        return in_order(found)

    def suspicions(self) -> list[str]:
        """Return what the catalogue finds, without a scan where there is nothing to look at."""
        return [f"{check} {instance_id!r}" for check, instance_id, _ in self._clean.findings()]

    def findings(self) -> list[str]:
        """Return what the whole catalogue finds; every check must have run."""
        scan = Scan(self._reader, self._checks)
        found = [f"{finding.check.id} {finding.instance_id!r} {finding.message}" for finding in scan]
        assert scan.verdict is not Verdict.incomplete, [result.reason for result in scan.results.values()]
        return found

    def _before_statement(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        table = _TABLE.search(statement)
        point = " ".join([statement.split()[0], *([table[1]] if table else [])])
        self.points.add(point)
        if self.crash_at is not None and point in (self.crash_at, "COMMIT"):  # which may go with the others
            self._crash()

    def _before_commit(self, connection: Any) -> None:
        if self.crash_at is not None:
            self._crash()

    def _before_last(self, run: RunLast) -> RunLast:
        """Have what the server commits by itself, at the end of a pipeline, die before any of it is sent."""

        def run_last(connection: Connection, steps: Sequence[Step]) -> list[StatementResult]:
            self._before_commit(connection)
            return run(connection, steps)

        return run_last

    def _crash(self) -> None:
        self.crash_at = None
        raise Crash

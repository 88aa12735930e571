"""How turns are sent to PostgreSQL: what needs no answer in between goes at once, in a pipeline."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable
from sqlalchemy.util import LRUCache

from holystone.flavours.connector import Connector
from holystone.flavours.postgresql import session
from holystone.flavours.postgresql.pipeline import PipelinedStatement, or_fail, says_no_row
from holystone.flavours.statements import MOST_IN_WORDS, NoRowError, Required, StatementResult, Step, failed, tell
from holystone.flavours.target import Target


class PipelinedConnector(Connector):
    """A connector that sends the statements of a turn together, where the driver has pipelines."""

    writers_wait = False

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._sent: LRUCache[tuple[Executable, tuple[str, ...], bool], PipelinedStatement] = LRUCache(MOST_IN_WORDS)

    def or_fail(self, condition: ColumnElement[bool], number: ColumnElement[int]) -> ColumnElement[int]:
        return or_fail(condition, number)

    def _begin(self, connection: Connection, *_: Any) -> None:
        """Begin the transaction before its first statement, unless that goes to the server with others."""
        if session.is_in_transaction(connection):
            return
        try:
            session.begin_turn(connection)
        except connection.dialect.loaded_dbapi.Error as error:
            raise failed(connection, error) from error

    def _commit(self, connection: Connection) -> None:
        """Commit what is not committed yet as what is sent at once is, so that an error says what is not known."""
        if session.is_in_transaction(connection):
            self.commit_pipeline(connection, [])

    def _run(self, connection: Connection, steps: Sequence[Step]) -> list[StatementResult]:
        if self._has_pipelines:
            return self._send(connection, steps, commits=False)
        self._begin(connection)
        try:
            return super()._run(connection, steps)
        except connection.dialect.loaded_dbapi.Error as error:
            raise (NoRowError() if says_no_row(error) else error) from None

    def _run_last(self, connection: Connection, steps: Sequence[Step]) -> list[StatementResult]:
        if self._has_pipelines:
            return self._send(connection, steps, commits=True)
        return super()._run_last(connection, steps)

    def _send(self, connection: Connection, steps: Sequence[Step], *, commits: bool) -> list[StatementResult]:
        words = [(self._pipelined(connection, step), step[1]) for step in steps]
        before: Sequence[str] = ()
        after: Sequence[str] = ("COMMIT",) if commits else ()
        if not session.is_in_transaction(connection):
            if commits and session.keeps_settings(connection):
                after = ()  # what is sent at once is one transaction, without a word
            else:
                before = session.turn_begins_with(connection)
        told: Any = connection.engine.dispatch
        if told.before_cursor_execute or told.after_cursor_execute:
            tell(connection, [*((one.text, given) for one, given in words), *((text, {}) for text in after)])
        pipeline = session.pipeline(connection)
        try:
            return pipeline.run(before, words, after, commits=commits)
        except BaseException as error:
            if pipeline.is_closed and not isinstance(error, connection.dialect.loaded_dbapi.Error):
                # An interruption: to roll back would fail, and that would be told in its place.
                connection.invalidate()
            raise

    def _pipelined(self, connection: Connection, step: Step) -> PipelinedStatement:
        statement, given = step
        key = (statement, tuple(given if isinstance(given, Mapping) else given[0]), isinstance(step, Required))
        words = self._sent.get(key)
        if words is None:
            _, names, required = key
            words = self._sent[key] = PipelinedStatement(connection, statement, names, required=required)
        return words

    @cached_property
    def _has_pipelines(self) -> bool:
        from psycopg import Pipeline

        return Pipeline.is_supported()

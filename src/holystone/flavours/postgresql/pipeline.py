"""Statements of a turn that go to the server together, in one journey: the pipeline mode of libpq.

psycopg's own pipelines hand each statement over by itself and look for answers after each, so the server is woken as
often. Here all are handed over before the first answer is waited for.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from typing import cast as typed

from sqlalchemy import BigInteger, ColumnElement, Connection, Text, case, cast, func, literal_column, select

from holystone.flavours.statements import NoRowError, Parameters, StatementResult

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_MOST_PREPARED = 500
"""How many statements a connection keeps prepared; those that come later are planned each time."""
MAY_BE_COMMITTED = "whether what was sent to it was committed is not known"
"""The note of an error by which the answer to what commits was lost."""
_NO_ROW, _NOT_A_NUMBER = "no row for holystone", "22P02"
"""What a required statement that finds no row makes a number of, and the state of that error."""
_STALE = ("0A000", "26000")
"""States of the errors of what was prepared for a table that has changed since, or was deallocated by somebody."""


def or_fail(condition: ColumnElement[bool], number: ColumnElement[int]) -> ColumnElement[int]:
    """Return an expression that is the number where a condition holds, and that is NoRowError where it does not."""
    said = case((condition, cast(number, Text)), else_=literal_column(f"'{_NO_ROW}'"))
    return cast(said, BigInteger)


def says_no_row(error: Exception) -> bool:
    """Return whether it is the error of what `or_fail` has failed."""
    return getattr(error, "sqlstate", None) == _NOT_A_NUMBER and _NO_ROW in str(error)


_Question = int | tuple[str, bytes] | None
"""What an answer is to: the number of a step, or a text that was prepared by a name, or None for a command."""


class PipelinedStatement:
    """A statement in the words of the server, on one store.

    One that is `required`, a select, fails where it finds no row: only an error keeps the server from a commit that is
    on its way. (A DELETE would have to stand in a WITH to be counted, and may not where its table has a rule.)
    """

    def __init__(self, connection: Connection, statement: Any, names: Sequence[str], *, required: bool) -> None:
        self.required = required
        if required:
            found = func.count(literal_column("1"))
            number = or_fail(found > 0, found)
            statement = select(number.label("found")).select_from(statement.subquery("held"))
        make: Any = type(connection.dialect)
        dialect = make(paramstyle="numeric_dollar")  # as libpq has it: $1, $2
        dialect.server_version_info = connection.dialect.server_version_info
        compiled = statement.compile(
            dialect=dialect,
            column_keys=names,
            schema_translate_map=connection.get_execution_options()["schema_translate_map"],
            render_schema_translate=True,
        )
        # The values of a list, such as that of IN, are the statement's own: each gets a place in the text.
        expanded = compiled.construct_expanded_state(dict.fromkeys(names))
        self.text: str = expanded.statement
        self._known = {name: value for name, value in expanded.parameters.items() if name not in names}
        self._order: Sequence[str] = expanded.positiontup
        self._row: Callable[[Iterable[Any]], Any] | None = None

    def values(self, parameters: Parameters) -> list[list[Any]]:
        """Return the values in their places, once for each time that the statement is to be run."""
        each = [parameters] if isinstance(parameters, Mapping) else parameters
        known = self._known
        return [[one[name] if name in one else known[name] for name in self._order] for one in each]

    def outcome(self, transformer: Any, answers: Sequence[PGresult]) -> StatementResult:
        """Return what came of it, from the answer to each time that it was run."""
        last = answers[-1]
        count = sum(answer.command_tuples or 0 for answer in answers)
        if not last.nfields:
            return StatementResult((), count)
        if self._row is None:
            names = [(last.fname(number) or b"").decode() for number in range(last.nfields)]
            self._row = typed(Any, namedtuple("Row", names))._make
        transformer.set_pgresult(last)
        return StatementResult(transformer.load_rows(0, last.ntuples, self._row), count)


class Pipeline:
    """The pipeline of one connection of psycopg, and the statements that are prepared there.

    A connection prepares a statement when it first runs it. One that a pooler hands on does not: what is prepared stays
    with a server process that the next transaction may not get.
    """

    def __init__(self, driver: Any, *, prepares: bool) -> None:
        import psycopg
        from psycopg.adapt import PyFormat, Transformer
        from psycopg.waiting import Ready, Wait

        self._psycopg, self._wait, self._ready = psycopg, Wait, Ready
        self._status = psycopg.pq.ExecStatus
        self._as_text = PyFormat.TEXT
        self._driver, self._server = driver, driver.pgconn
        self._transformer: Any = Transformer(driver)
        self._most_prepared = _MOST_PREPARED if prepares else 0
        self._prepared: dict[str, bytes] = {}
        self._names = map(b"holystone_%d".__mod__, count())

    @property
    def is_closed(self) -> bool:
        """Whether the connection is of no use any more."""
        return bool(self._driver.closed)

    def run(
        self,
        before: Sequence[str],
        steps: Sequence[tuple[PipelinedStatement, Parameters]],
        after: Sequence[str],
        *,
        commits: bool,
    ) -> list[StatementResult]:
        """Run commands, the statements, and commands after them, and return what came of each statement.

        Without a transaction that has begun all of it is one, which the server commits at the end. `commits` says
        whether it does, then or by the last command.

        Where one fails its error is raised, as psycopg has it, and none that come after it are run; NoRowError for one
        that `or_fail`s or is required. Values that psycopg refuses are refused before anything is sent. The connection
        is closed where it is of no use any more. An error has the note MAY_BE_COMMITTED where that cannot be told.
        """
        bound = [(statement, self._in_words(statement, parameters)) for statement, parameters in steps]
        try:
            self._server.enter_pipeline_mode()
            asked = self._send(before, bound, after)
            answers = self._driver.wait(self._communicate())
            is_lost = self._server.status != self._psycopg.pq.ConnStatus.OK
            if not is_lost:
                self._server.exit_pipeline_mode()
        except BaseException as error:
            # Answers that are still to come would be taken for those to what is asked next.
            self._server.finish()
            if commits:
                error.add_note(MAY_BE_COMMITTED)
            raise
        if not after:
            asked.append(None)  # for what fails as the server commits at the end
        of_steps: list[list[PGresult]] = [[] for _ in steps]
        for place, (question, answer) in enumerate(zip(asked, answers, strict=False), 1):
            if answer.status == self._status.FATAL_ERROR:
                failure = self._failure(answer)
                if commits and place == len(asked) and is_lost:
                    failure.add_note(MAY_BE_COMMITTED)
                raise failure
            if isinstance(question, int):
                of_steps[question].append(answer)
            elif question is not None:
                text, name = question
                self._prepared[text] = name
        return [
            statement.outcome(self._transformer, of_step)
            for (statement, _), of_step in zip(steps, of_steps, strict=True)
        ]

    def _failure(self, answer: PGresult) -> Exception:
        error: Exception = self._psycopg.errors.error_from_result(answer)
        if says_no_row(error):
            return NoRowError()
        if getattr(error, "sqlstate", None) in _STALE:
            self._server.finish()
        return error

    def _in_words(self, statement: PipelinedStatement, parameters: Parameters) -> list[Any]:
        dump, as_text = self._transformer.dump_sequence, self._as_text
        return [dump(values, [as_text] * len(values)) for values in statement.values(parameters)]

    def _send(
        self, before: Sequence[str], steps: Sequence[tuple[PipelinedStatement, list[Any]]], after: Sequence[str]
    ) -> list[_Question]:
        """Hand all of it to libpq; return what each answer will be to."""
        asked: list[_Question] = []
        new: dict[str, bytes] = {}
        for command in before:
            self._send_one(command, [[]], None, asked, new)
        for number, (statement, rows) in enumerate(steps):
            self._send_one(statement.text, rows, number, asked, new)
        for command in after:
            self._send_one(command, [[]], None, asked, new)
        self._server.pipeline_sync()
        return asked

    def _send_one(
        self, text: str, rows: Sequence[Any], number: int | None, asked: list[_Question], new: dict[str, bytes]
    ) -> None:
        server = self._server
        name = self._prepared.get(text) or new.get(text)
        if name is None and len(self._prepared) + len(new) < self._most_prepared:
            name = new[text] = next(self._names)
            server.send_prepare(name, text.encode())
            asked.append((text, name))
        for row in rows:
            if name is None:
                server.send_query_params(text.encode(), row)
            else:
                server.send_query_prepared(name, row)
            asked.append(number)

    def _communicate(self) -> Generator[Any, Any, list[PGresult]]:
        """Have libpq send what it was handed, and return the answers; psycopg waits where this yields."""
        server = self._server
        answers: list[PGresult] = []
        while server.flush():
            # While it does not take more it may wait until somebody takes its answers. After an interruption psycopg
            # goes on without saying what it is ready for.
            if ((yield self._wait.RW) or self._ready.R) & self._ready.R:
                server.consume_input()
        while True:
            try:
                while server.is_busy():
                    if (yield self._wait.R):
                        server.consume_input()
                answer = server.get_result()
            except self._psycopg.OperationalError:
                # The connection is lost; where the server has said why, that is what is told of.
                if any(answer.status == self._status.FATAL_ERROR for answer in answers):
                    return answers
                raise
            if answer is None:
                if server.status != self._psycopg.pq.ConnStatus.OK:
                    raise self._psycopg.OperationalError(server.get_error_message())
            elif answer.status == self._status.PIPELINE_SYNC:
                return answers
            else:
                answers.append(answer)

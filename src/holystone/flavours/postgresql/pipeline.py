"""Statements of a turn that go to the server together, in one journey: the pipeline mode of libpq.

psycopg's own pipelines hand each statement over by itself and look for answers after each, so the server is woken as
often. Here all are handed over before the first answer is waited for.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, literal_column, select

from holystone.flavours.statements import NoRowError, Parameters, StatementResult

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_MOST_PREPARED = 500
"""How many statements a connection keeps prepared; those that come later are planned each time."""
_DIVIDED_BY_ZERO = "22012"
"""State of the error of a required statement that finds no row."""


class PipelinedStatement:
    """A statement in the words of the server, on one store.

    One that is `required` fails where it finds no row: only an error keeps the server from a COMMIT that is on its way.
    """

    def __init__(self, connection: Connection, statement: Any, names: Sequence[str], *, required: bool) -> None:
        self.required = required
        if required:
            found = statement.returning(literal_column("1").label("one")).cte("found")
            statement = select(literal_column("1 / count(*)").label("found")).select_from(found)
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
            self._row = cast(Any, namedtuple("Row", names))._make
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

    def run(
        self,
        before: Sequence[str],
        steps: Sequence[tuple[PipelinedStatement, Parameters]],
        after: Sequence[str],
    ) -> list[StatementResult]:
        """Run commands, the statements, and commands after them, and return what came of each statement.

        Where one fails its error is raised, as psycopg has it, and none that come after it are run; NoRowError for a
        required one that finds no row. Values that psycopg refuses are refused before anything is sent.
        """
        bound = [(statement, self._in_words(statement, parameters)) for statement, parameters in steps]
        self._server.enter_pipeline_mode()
        try:
            asked = self._send(before, bound, after)
            answers = self._driver.wait(self._communicate())
        finally:
            if self._server.status == self._psycopg.pq.ConnStatus.OK:
                self._server.exit_pipeline_mode()
        of_steps: list[list[PGresult]] = [[] for _ in steps]
        for question, answer in zip(asked, answers, strict=False):
            if answer.status == self._status.FATAL_ERROR:
                error = self._psycopg.errors.error_from_result(answer)
                if error.sqlstate == _DIVIDED_BY_ZERO and isinstance(question, int) and steps[question][0].required:
                    raise NoRowError from error
                raise error
            if isinstance(question, int):
                of_steps[question].append(answer)
            elif question is not None:
                self._prepared[question] = _name(len(self._prepared))
        return [
            statement.outcome(self._transformer, of_step)
            for (statement, _), of_step in zip(steps, of_steps, strict=True)
        ]

    def _in_words(self, statement: PipelinedStatement, parameters: Parameters) -> list[Any]:
        dump, as_text = self._transformer.dump_sequence, self._as_text
        return [dump(values, [as_text] * len(values)) for values in statement.values(parameters)]

    def _send(
        self, before: Sequence[str], steps: Sequence[tuple[PipelinedStatement, list[Any]]], after: Sequence[str]
    ) -> list[int | str | None]:
        """Hand all of it to libpq; return what each answer will be to.

        That is the number of a step, or a text that was prepared, or None for a command.
        """
        asked: list[int | str | None] = []
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
        self, text: str, rows: Sequence[Any], number: int | None, asked: list[int | str | None], new: dict[str, bytes]
    ) -> None:
        server = self._server
        name = self._prepared.get(text) or new.get(text)
        if name is None and (room := len(self._prepared) + len(new)) < self._most_prepared:
            name = new[text] = _name(room)
            server.send_prepare(name, text.encode())
            asked.append(text)
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
            # While it does not take more it may wait until somebody takes its answers.
            if (yield self._wait.RW) & self._ready.R:
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


def _name(number: int) -> bytes:
    return b"holystone_%d" % number

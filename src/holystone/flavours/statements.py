"""Statements that SQLAlchemy puts into words once; from then on the driver gets the words.

What SQLAlchemy does for each statement that it executes takes longer than most statements of a turn.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from msgspec import Struct
from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""The values of a statement, or of each time that it is to be run."""
BoundStatement = tuple[Executable, Parameters]
"""A statement of a turn: one that is kept, for what was put into words is kept for as long as the store."""


class Required(NamedTuple):
    """A select of a turn that has to find a row: nothing is committed where it does not."""

    statement: Executable
    parameters: Parameters


Step = BoundStatement | Required


MOST_IN_WORDS = 1000
"""How many statements a store keeps in the words of its driver; some are made for what a caller names, such as tags."""


class NoRowError(Exception):
    """A statement that has to find a row found none, so the transaction is not committed."""


class StatementResult(Struct, frozen=True):
    """The rows that a statement returned, as named tuples, and the number of those that it found or changed."""

    rows: Sequence[Any]
    rowcount: int


class CompiledStatement:
    """A statement in the words of its driver, on one store."""

    def __init__(self, connection: Connection, statement: Any, names: Sequence[str]) -> None:
        schemas = connection.get_execution_options().get("schema_translate_map")
        compiled = statement.compile(
            dialect=connection.dialect,
            column_keys=names,
            schema_translate_map=schemas,
            render_schema_translate=schemas is not None,
        )
        # The values of a list, such as that of IN, are the statement's own: each gets a place in the text.
        expanded = compiled.construct_expanded_state(dict.fromkeys(names))
        self._text = expanded.statement
        self._known = expanded.parameters
        self._row: Callable[[Iterable[Any]], Any] | None = None

    def run(self, connection: Connection, parameters: Parameters) -> Any:
        """Have a cursor execute the statement, and return it; whoever listens to the engine is told as usual."""
        cursor = connection.connection.cursor()
        each = [parameters] if isinstance(parameters, Mapping) else parameters
        many = len(each) > 1
        values: Any = [{**self._known, **one} for one in each] if many else {**self._known, **each[0]}
        told: Any = connection.engine.dispatch
        if told.before_cursor_execute:
            told.before_cursor_execute(connection, cursor, self._text, values, None, many)
        (cursor.executemany if many else cursor.execute)(self._text, values)
        if told.after_cursor_execute:
            told.after_cursor_execute(connection, cursor, self._text, values, None, many)
        return cursor

    def outcome(self, cursor: Any) -> StatementResult:
        """Return what came of it."""
        if not cursor.description:
            return StatementResult((), cursor.rowcount)
        if self._row is None:
            names = [column[0] for column in cursor.description]
            self._row = cast(Any, namedtuple("Row", names))._make
        return StatementResult([self._row(row) for row in cursor.fetchall()], cursor.rowcount)


def tell(connection: Connection, statements: Iterable[tuple[str, Parameters]]) -> None:
    """Tell whoever listens to the engine of statements that are sent at once: each before and after, as usual."""
    told: Any = connection.engine.dispatch
    cursor = connection.connection.cursor()
    for text, values in statements:
        many = not isinstance(values, Mapping)
        told.before_cursor_execute(connection, cursor, text, values, None, many)
        told.after_cursor_execute(connection, cursor, text, values, None, many)


def failed(connection: Connection, error: Exception) -> DBAPIError:
    """Return the error of a driver as SQLAlchemy has it; a connection that is lost is not used again.

    Nor are those that wait to be used: what befell one, such as a restart of the server, most likely befell all.
    """
    if lost := connection.dialect.is_disconnect(error, connection.connection.driver_connection, None):  # type: ignore[arg-type]
        connection.invalidate(error)
        connection.engine.dispose()
    wrapped = DBAPIError.instance(
        None,
        None,
        error,
        connection.dialect.loaded_dbapi.Error,
        connection_invalidated=lost,
        dialect=connection.dialect,
    )
    assert isinstance(wrapped, DBAPIError)
    return wrapped

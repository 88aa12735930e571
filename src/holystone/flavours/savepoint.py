"""Savepoints: what fails after one leaves the transaction as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

NEEDS_NONE = "holystone_needs_no_savepoint"
"""The execution option of connections that write nothing, and whose transaction a failed statement leaves as it was.

On SQLite that is so but for faults of the file and of the memory, which end the transaction: `sqlite3VdbeHalt`.
"""


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Take back what was done in the context where a statement of it fails, and forget the savepoint.

    SQLAlchemy's own stay behind after an error, and PostgreSQL exports no snapshot while there is one. Whatever else
    ends the context ends the transaction as well. There is none where the connection has NEEDS_NONE.
    """
    if NEEDS_NONE in connection.get_execution_options():
        with _transaction_kept(connection):
            yield
        return
    connection.exec_driver_sql("SAVEPOINT holystone")
    try:
        yield
        connection.exec_driver_sql("RELEASE SAVEPOINT holystone")
    except DBAPIError as error:
        if not error.connection_invalidated:
            _take_back(connection, error)
        raise


@contextmanager
def _transaction_kept(connection: Connection) -> Iterator[None]:
    """Begin a transaction anew where the database has ended it, so that what is read next is of one moment again."""
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated and not connection.connection.in_transaction:
            connection.exec_driver_sql("BEGIN")
        raise


def _take_back(connection: Connection, error: DBAPIError) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT holystone")
        connection.exec_driver_sql("RELEASE SAVEPOINT holystone")
    except DBAPIError as later:
        # The connection may be lost by now; what was said before that is the cause, and is to be told.
        if later.orig is not None and later.orig is not error.orig:
            later.orig.__context__ = error.orig
        raise

"""Savepoints: what fails after one leaves the transaction as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Take back what was done in the context where a statement of it fails, and forget the savepoint.

    SQLAlchemy's own stay behind after an error, and PostgreSQL exports no snapshot while there is one. Whatever else
    ends the context ends the transaction as well.
    """
    connection.exec_driver_sql("SAVEPOINT holystone")
    try:
        yield
        connection.exec_driver_sql("RELEASE SAVEPOINT holystone")
    except DBAPIError as error:
        if not error.connection_invalidated:
            _take_back(connection, error)
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

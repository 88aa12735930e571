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
    except DBAPIError as error:
        if not error.connection_invalidated:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT holystone")
            connection.exec_driver_sql("RELEASE SAVEPOINT holystone")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT holystone")

"""PostgreSQL: what fails once a connection is lost, or a transaction has failed, tells of what came first."""

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

_ONLY_ABORTED = "25P02"
"""State of the error of each statement after the one that has failed."""
_failed: WeakKeyDictionary[Any, DBAPIError] = WeakKeyDictionary()
"""A driver's connection -> what it was lost with, or else the last error in it that tells a cause."""


class ConnectionLostError(OperationalError):
    """The server ended the connection, or does not answer any more; `orig` is what was said first."""


def tell(failure: ExceptionContext) -> DBAPIError | None:
    """Return the error that was the first, for each statement that fails on account of it.

    SQLAlchemy would connect anew once a connection is lost, and until the transaction is given up raise errors of its
    own. Here a transaction is all that a connection is for.
    """
    connection, error = failure.connection, failure.sqlalchemy_exception
    if connection is None or not isinstance(error, DBAPIError):
        return None
    driver: Any = connection.connection.driver_connection
    before = _failed.get(driver)
    if failure.is_disconnect:
        failure.is_disconnect = False
        if not isinstance(before, ConnectionLostError):
            before = _failed[driver] = ConnectionLostError(None, None, _with_words(failure.original_exception, driver))
        return before
    if getattr(error.orig, "sqlstate", None) == _ONLY_ABORTED:
        return before
    _failed[driver] = error
    return None


def _with_words(error: BaseException, driver: Any) -> BaseException:
    """Return the driver's first error; what libpq noted where it only says that the connection is closed."""
    error = first(error)
    noted = driver.pgconn.error_message.decode("utf-8", "replace").strip()
    return error if getattr(error, "sqlstate", None) or not noted else type(error)(noted)


def reset(driver: Any, record: ConnectionPoolEntry, _: PoolResetState) -> None:
    """End the transaction of a connection that is given back; one that is lost is not touched any more."""
    if driver.closed:
        record.invalidate()
    else:
        driver.rollback()


def first(error: BaseException) -> BaseException:
    """Return the error of the driver that came before others, which only say that the connection is closed."""
    while hasattr(earlier := error.__context__, "sqlstate"):
        assert earlier is not None
        error = earlier
    return error


def last_words(error: BaseException | None) -> str:
    """Return what the server said, without what libpq adds of a connection that is gone."""
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None and diagnosis.message_primary:
        return str(diagnosis.message_primary)
    return str(error).strip().partition("\n")[0].rpartition("FATAL:")[2].strip()

"""What a session of PostgreSQL sets for itself: nothing that a statement means may depend on who set what else.

A role, a database, a service file, PGOPTIONS and a pooler can each set any of these. All of them are set again at the
beginning of each transaction and for that alone: a pooler hands the next transaction to another connection of its own,
and this one to somebody else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect

from holystone.errors import StoreUnavailableError
from holystone.flavours.postgresql.pipeline import Pipeline

SETTINGS: Mapping[str, str] = {
    # Names mean what the catalog has, and the engine's tables are named with their schema: nobody else's function,
    # operator, cast or table can stand in for one.
    "search_path": "pg_catalog, pg_temp",
    # What is sent at once without BEGIN is a transaction as well.
    "default_transaction_isolation": "'read committed'",
    # How values are written and read.
    "client_encoding": "'UTF8'",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "'UTC'",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # How the catalog's functions print what an object is made of.
    "quote_all_identifiers": "off",
    # Have the server refuse what row security would otherwise filter: hidden rows would read as lost ones.
    "row_security": "off",
    # To compile the long conditions of a scan takes longer than it gains.
    "jit": "off",
    # Statements take as long as they take, and wait for others' locks at most as long as the engine does on SQLite.
    "statement_timeout": "0",
    "lock_timeout": "'60s'",
    "idle_in_transaction_session_timeout": "0",
}
SINCE: Mapping[int, Mapping[str, str]] = {140000: {"idle_session_timeout": "0"}, 170000: {"transaction_timeout": "0"}}
"""Version of the server, as libpq has it -> what there is to be set from it on."""
CONNECT_SECONDS = 10
"""For a connection to be made, and once more for the server to answer to what is asked there first."""
_TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
"""Those that end a transaction; the last one alone ends it whatever its statements are."""
_QUOTE = "'"
_KEPT, _POOLED, _PIPELINE = "holystone_kept", "holystone_pooled", "holystone_pipeline"
"""What a connection notes: what is set otherwise on it, whether a pooler hands it on, and its pipeline."""


def settings_of(version: int) -> Mapping[str, str]:
    """Return the settings of a session with a server of this version: name -> value, as SQL has it."""
    return {
        **SETTINGS,
        **{name: value for since, some in SINCE.items() if version >= since for name, value in some.items()},
    }


def connect(dialect: Dialect, record: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Return a new connection of psycopg; its OperationalError where there is none.

    psycopg lets Python's own error through where the name of a host cannot be one.
    """
    from holystone.flavours.postgresql.driver import StoppableConnection

    driver: Any = dialect.loaded_dbapi
    try:
        connection = StoppableConnection.connect(*arguments, **options)
    except UnicodeError as error:
        raise driver.OperationalError(f"the name of the host cannot be resolved: {error}") from error
    connection.answers_within = CONNECT_SECONDS  # to what SQLAlchemy asks first, and to `connected`
    return connection


def connected(driver: Any, record: Any) -> None:
    """Note whether a pooler stands between: it makes up the process number that it tells its clients."""
    with _no_transaction(driver):
        (process,) = driver.execute("SELECT pg_catalog.pg_backend_pid()", prepare=False).fetchone()
    record.info[_POOLED] = process != driver.info.backend_pid
    if record.info[_POOLED]:
        # What is prepared stays with a connection that the next transaction may not get.
        driver.prepare_threshold = None
    driver.answers_within = None


def begin(connection: Connection) -> None:
    """Set all of it for the transaction that has just begun, or for each to come where every statement commits."""
    driver: Any = connection.connection.driver_connection
    settings = {**settings_of(driver.info.server_version), **connection.info.get(_KEPT, {})}
    if not driver.autocommit and driver.isolation_level is None:
        settings["transaction_isolation"] = "'read committed'"
    _set(connection, settings)


def keep(connection: Connection, name: str, value: str) -> None:
    """Set one of it otherwise, for this transaction and for all that come on this connection."""
    connection.info.setdefault(_KEPT, {})[name] = value
    _set(connection, {name: value})


def limit(connection: Connection, seconds: float) -> None:
    """Have the server end the transaction after that: at work if it can, and where its client does nothing any more."""
    driver: Any = connection.connection.driver_connection
    names = settings_of(driver.info.server_version).keys() & set(_TIMEOUTS)
    _set(connection, {name: f"{max(1, round(seconds * 1000)):d}" for name in sorted(names)})


def keep_all(driver: Any, record: Any) -> None:
    """Set all of it for all turns of a connection that no pooler hands on, and leave what is prepared to its pipeline.

    psycopg would have all deallocated, whoever prepared it, when a transaction is rolled back in which it did as well.
    """
    driver.prepare_threshold = None
    if not record.info[_POOLED]:
        with _no_transaction(driver):
            driver.execute("; ".join(_statements(settings_of(driver.info.server_version), "SESSION")), prepare=False)


def is_in_transaction(connection: Connection) -> bool:
    """Return whether the connection is within a transaction, also one that has failed."""
    driver: Any = connection.connection.driver_connection
    return bool(driver.pgconn.transaction_status)


def turn_begins_with(connection: Connection) -> list[str]:
    """Return the statements that begin a turn's transaction, and set all of it where it cannot be kept."""
    begin = ["BEGIN ISOLATION LEVEL READ COMMITTED"]
    if not connection.info[_POOLED]:
        return begin
    driver: Any = connection.connection.driver_connection
    # One statement for all of it: here each has a snapshot of its own anyway.
    calls = (
        f"pg_catalog.set_config('{name}', '{value.strip(_QUOTE)}', true)"
        for name, value in settings_of(driver.info.server_version).items()
    )
    return [*begin, f"SELECT {', '.join(calls)}"]


def keeps_settings(connection: Connection) -> bool:
    """Return whether all of it is set for all turns of a connection, for no pooler hands it on."""
    return not connection.info[_POOLED]


def begin_turn(connection: Connection) -> None:
    """Begin a turn's transaction at once."""
    driver: Any = connection.connection.driver_connection
    driver.execute("; ".join(turn_begins_with(connection)), prepare=False)


def pipeline(connection: Connection) -> Pipeline:
    """Return the connection's pipeline."""
    kept: Pipeline | None = connection.info.get(_PIPELINE)
    if kept is None:
        driver = connection.connection.driver_connection
        kept = connection.info[_PIPELINE] = Pipeline(driver, prepares=not connection.info[_POOLED])
    return kept


@contextmanager
def _no_transaction(driver: Any) -> Iterator[None]:
    autocommit, driver.autocommit = driver.autocommit, True
    with driver.answering_within(CONNECT_SECONDS):
        yield
    driver.autocommit = autocommit


def _set(connection: Connection, settings: Mapping[str, str]) -> None:
    driver: Any = connection.connection.driver_connection
    if driver.autocommit and connection.info[_POOLED]:
        raise StoreUnavailableError(
            "A pooler would hand what this sets for itself to others: it cannot be done in one transaction.",
            "Run the command again with the host and port of the server itself.",
        )
    # All in one journey to the server.
    connection.exec_driver_sql("; ".join(_statements(settings, "SESSION" if driver.autocommit else "LOCAL")))


def _statements(settings: Mapping[str, str], scope: str) -> list[str]:
    """Return a statement for each setting: SET takes no parameters, and set_config would take the snapshot."""
    return [f"SET {scope} {name} = {value}" for name, value in settings.items()]

"""Connections to a SQLite file, its locks, and its errors: the engine's `src/providers/sqlite.rs`."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Executable, create_engine, event, text, true
from sqlalchemy.dialects.sqlite.pysqlite import dialect as SQLiteDialect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from holystone.errors import HolystoneError, NoTablesError, StoreChangedError, StoreUnavailableError
from holystone.flavours.changes import Changes, Position
from holystone.flavours.compiled import COMPILED_STATEMENTS
from holystone.flavours.connector import Columns, Connector, Held
from holystone.flavours.savepoint import NEEDS_NONE
from holystone.flavours.sqlite import changes, soundness
from holystone.flavours.sqlite.connections import FileId, connect, identify, is_any_open, require_not_inherited, tidy
from holystone.flavours.sqlite.file import has_writes_beside, is_changed, lies_closed, require_only_name
from holystone.flavours.sqlite.values import STRAY_BYTES

_MORE_TIME = "Allow more time, or read less with --level quick."
_OF_ROWS = ("SQLITE_CORRUPT", "SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_DATA", "SQLITE_TOOBIG")
_LOCK_WAIT_SECONDS = 5.0
_LEAST_BYTES = 200
"""Bytes that an execution takes at least, with its instance and the event that begins it."""
_STEPS_BETWEEN_LOOKS = 100_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""

# It asks for `synchronous = WAL`, which SQLite takes for NORMAL.
_ENGINES_OWN_SETTINGS = (
    "synchronous = NORMAL",
    "wal_autocheckpoint = 10000",
    "cache_size = -64000",
    "busy_timeout = 60000",
)


def _explain_stray_bytes(failure: ExceptionContext) -> DataError | None:
    """Return the error of a key that is not UTF-8, and cannot be asked for: it fails one check, and not all."""
    if not isinstance(failure.original_exception, UnicodeEncodeError):
        return None
    reason = sqlite3.DataError("it holds an id that is not UTF-8, which no engine writes")
    return DataError(failure.statement, None, reason)


class SQLiteConnector(Connector):
    writers_wait = True
    _untouched: os.stat_result | None = None
    _read_file: FileId | None = None

    @property
    def path(self) -> Path:
        """The file itself: what the engine has yet to bring into it lies beside it, and not beside a link to it."""
        assert self.target.path is not None
        return Path(os.path.realpath(self.target.path)) if os.path.islink(self.target.path) else self.target.path

    def create_engine(self, *, read_only: bool) -> Engine:
        # pysqlite's own handling begins no transaction for a SELECT, so two statements would see two
        # states of the store; the transaction is begun here instead.
        begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        engine = create_engine("sqlite://", creator=partial(self._connect, read_only), poolclass=NullPool)
        engine.update_execution_options(compiled_cache=COMPILED_STATEMENTS, **({NEEDS_NONE: True} if read_only else {}))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        event.listen(engine, "handle_error", _explain_stray_bytes)
        return engine

    def create_turn_engine(self) -> Engine:
        engine = create_engine(
            "sqlite://", creator=self._connect_for_turns, poolclass=QueuePool, pool_size=0, paramstyle="named"
        )
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        event.listen(engine, "connect", self._note_file)
        event.listen(engine, "checkout", self._require_same_file)
        return engine

    def _note_file(self, connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = identify(self.path)

    def _require_same_file(self, connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:
        """Have a connection made anew whose file was replaced: what is written to the old one would be lost."""
        require_not_inherited(self.path, record.info["file"])
        if record.info["file"] != identify(self.path):
            raise DisconnectionError

    def _connect_for_turns(self) -> sqlite3.Connection:
        connection = self._connect(read_only=False)
        for setting in _ENGINES_OWN_SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        return connection

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        connection = connect(self.path, partial(self._uri, read_only), _LOCK_WAIT_SECONDS)
        connection.text_factory = partial(str, encoding="utf-8", errors=STRAY_BYTES)
        if read_only:
            # Twice what SQLite takes: room for the inner pages of indexes, which each look-up goes through. With more,
            # look-ups of what lies far apart take longer, for memory that is new has to be cleared for them.
            connection.execute("PRAGMA cache_size = -4000")
        else:
            # A repair is only done when it is on the disk; the engine itself runs with less.
            connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _uri(self, read_only: bool, in_wal_mode: bool) -> str:
        require_only_name(self.path)
        mode = "mode=ro" if read_only else "mode=rw"
        if not read_only and not os.access(self.path, os.W_OK):
            # SQLite would find out later, and leave a -wal and a -shm file behind that nobody can use.
            raise self._not_writable()
        if read_only and in_wal_mode and lies_closed(self.path):
            # Opened plainly, a WAL store would get a -wal and a -shm file that stay behind, owned by
            # whoever ran the check. `end_reading` makes sure that no writer came meanwhile.
            mode += "&immutable=1"
            self._untouched = self._untouched or self.path.stat()
        return f"file:{quote(os.fsencode(self.path.absolute()))}?{mode}"

    def can_be_forked(self) -> bool:
        # The forked process would take the locks of connections that are open here for its own.
        return not is_any_open()

    def end_forked(self) -> None:
        tidy(self.path)

    def may_hold(self, executions: int) -> bool:
        files = (self.path, Path(f"{self.path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists()) >= executions * _LEAST_BYTES

    def begin_reading(self) -> None:
        self._untouched = None
        self._read_file = identify(self.path)

    def end_reading(self) -> None:
        if self._read_file != identify(self.path):
            raise StoreChangedError(
                f"{self.path} was replaced by another file while it was read, so the answer is not reliable.",
                "Run the same command again.",
            )
        if self._untouched is None:
            return
        before, self._untouched = self._untouched, None
        if is_changed(self.path, before) or has_writes_beside(self.path):
            raise StoreChangedError(
                f"A program began to write to {self.path} while it was read, so the answer is not reliable.",
                "Run the same command again.",
            )

    def export_snapshot(self, connection: Connection) -> str | None:
        return None

    def import_snapshot(self, connection: Connection, view: str | None) -> None:
        """SQLite has no views to share: each connection sees the last commit before its first read."""

    @contextmanager
    def strict_utf8(self, connection: Connection) -> Iterator[None]:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        lenient, driver.text_factory = driver.text_factory, str
        try:
            yield
        finally:
            driver.text_factory = lenient

    def long_text(self, connection: Connection, statement: Executable) -> Any:
        # Read leniently, a text is held once more: as bytes.
        try:
            with self.strict_utf8(connection):
                return super().long_text(connection, statement)
        except OperationalError:  # it is no UTF-8, or the same comes once more
            return super().long_text(connection, statement)

    def limit_statements(self, connection: Connection, seconds: float) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        begun = time.monotonic()

        def begin(*_: Any) -> None:
            nonlocal begun
            begun = time.monotonic()

        event.listen(connection, "before_cursor_execute", begin)
        driver.set_progress_handler(lambda: time.monotonic() - begun > seconds, _STEPS_BETWEEN_LOOKS)

    def lying_indexes(self, connection: Connection, columns: Columns, instance_ids: Sequence[str]) -> list[str]:
        return list(soundness.lying_indexes(connection, columns, instance_ids))

    def interrupt(self, connection: Connection) -> None:
        if connection.invalidated:  # SQLAlchemy would connect anew
            return
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.interrupt()

    def position(self, connection: Connection) -> Position:
        return changes.position(connection)

    def changed_since(self, connection: Connection, position: Position, *, kept_outside: bool = False) -> Changes:
        return changes.changed_since(connection, position, kept_outside=kept_outside)

    def dialect(self) -> Dialect:
        return SQLiteDialect(paramstyle="named")

    def columns(self, connection: Connection) -> Columns:
        rows = connection.execute(
            # A virtual table has no page of its own. Its module alone knows its columns, and may be missing.
            text(
                "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c"
                " WHERE t.type = 'table' AND t.rootpage <> 0"
            )
        )
        found: dict[str, set[str]] = {}
        for table, column in rows:
            found.setdefault(table, set()).add(column)
        return {table: frozenset(names) for table, names in found.items()}

    def no_store(self, connection: Connection) -> HolystoneError:
        return NoTablesError(
            f"{self.path} is a SQLite database, but none of its tables is one of duroxide's.",
            "Name the file that SqliteProvider.open is given.",
        )

    def require_writable(self, connection: Connection) -> None:
        if not os.access(self.path, os.W_OK):
            raise self._not_writable()

    def translate_error(self, error: DBAPIError) -> HolystoneError:
        code = getattr(error.orig, "sqlite_errorname", "") or ""
        if code.startswith("SQLITE_IOERR") and not shutil.disk_usage(self.path.parent).free:
            code = "SQLITE_FULL"  # which SQLite says of the file alone, and not of what it keeps beside it
        known = {
            "SQLITE_BUSY": ("is locked by another process", "Run the command again when that process is done."),
            "SQLITE_LOCKED": ("is locked by another process", "Run the command again when that process is done."),
            "SQLITE_NOTADB": ("is not a SQLite database, or is encrypted", "Name the engine's own file."),
            "SQLITE_CORRUPT": (
                "is damaged: SQLite finds its pages inconsistent",
                "Run PRAGMA integrity_check on it, and restore it from a backup or with sqlite3's .recover.",
            ),
            "SQLITE_READONLY_ROLLBACK": (
                "holds half a transaction of a program that crashed, in its -journal file",
                "Let the engine open it, or sqlite3: either takes the half transaction back first.",
            ),
            "SQLITE_CANTOPEN": (
                "cannot be opened here: it has unfinished writes in its -wal file, and the folder is not writable",
                "Copy the file together with its -wal file to a writable folder, and check the copy.",
            ),
            "SQLITE_INTERRUPT": ("was not read in the time that --statement-timeout allows", _MORE_TIME),
            "SQLITE_FULL": ("has no room left on its disk", "Make room and run the command again."),
        }
        for prefix, (cause, next_step) in known.items():
            if code.startswith(prefix):
                return StoreUnavailableError(f"{self.path} {cause}.", next_step)
        if code.startswith("SQLITE_READONLY"):
            return self._not_writable()
        named = f"{error.orig} ({code})" if code else f"{error.orig}"
        return StoreUnavailableError(
            f"SQLite could not work with {self.path}: {named}.", "Mend the cause and run the command again."
        )

    def is_of_rows(self, error: DBAPIError) -> bool:
        code = getattr(error.orig, "sqlite_errorname", "") or ""
        return code.startswith(_OF_ROWS) or self.is_of_one_statement(error)

    def is_of_one_statement(self, error: DBAPIError) -> bool:
        return isinstance(error.orig, sqlite3.DataError)

    def _not_writable(self) -> HolystoneError:
        return StoreUnavailableError(
            f"{self.path} cannot be written to.", "Run the command as a user who may write the file and its folder."
        )

    def exclude_engine(self, connection: Connection, instance_ids: Sequence[str]) -> set[str]:
        return set()  # BEGIN IMMEDIATE has already shut out every other writer of the file

    def try_advisory_lock(self, instance_id: ColumnElement[str]) -> ColumnElement[bool]:
        return true()  # as in exclude_engine

    def advisory_lock(self, instance_id: ColumnElement[str]) -> ColumnElement[Any] | None:
        return None

    def lock_rows(self, connection: Connection, keys: Mapping[str, Sequence[Mapping[str, Any]]]) -> Sequence[Held]:
        return ()  # BEGIN IMMEDIATE has already shut out every other writer of the file

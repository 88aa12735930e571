"""The connections of this process to SQLite files.

Whoever closes a file loses all the locks that his process has on it, SQLite's as well (that is POSIX). Another process
would then find the file free that a connection here is at work on, and take its -wal file away. So a file is only
looked into while no connection to it is open here; what was seen holds until the last one is closed.
"""

import sqlite3
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from holystone.store.flavours.sqlite_file import is_in_wal_mode, require_database_file

FileId = tuple[int, int]
"""Device and number of a file, which its name may lose to another one."""


@dataclass
class _Seen:
    """What was seen in a file, and how many connections are open to it."""

    in_wal_mode: bool
    connections: int = 0


class _Connection(sqlite3.Connection):
    """A connection that is counted until it is closed or forgotten."""

    forget: Callable[[], object]

    def close(self) -> None:
        super().close()
        self.forget()


_lock = threading.RLock()  # a connection may be forgotten by the garbage collector, at any moment
_files: dict[FileId, _Seen] = {}


def identify(path: Path) -> FileId | None:
    """Return which file has this name now, None for none."""
    try:
        file = path.stat()
    except OSError:
        return None
    return file.st_dev, file.st_ino


def connect(path: Path, uri_for: Callable[[bool], str], wait_seconds: float) -> sqlite3.Connection:
    """Return a connection to a whole, readable SQLite file; HolystoneError where `path` is none.

    `uri_for` is told whether the file is in WAL mode. No transaction is begun but by a statement that says so.
    """
    with _lock:
        file = identify(path)
        seen = _files.get(file) if file else None
        if file is None or seen is None:
            require_database_file(path)
            seen = _Seen(is_in_wal_mode(path))
        connection = sqlite3.connect(
            uri_for(seen.in_wal_mode),
            uri=True,
            isolation_level=None,
            timeout=wait_seconds,
            check_same_thread=False,  # used by one thread at a time
            factory=_Connection,
        )
        if file is not None:
            _files[file] = seen
            seen.connections += 1
            connection.forget = weakref.finalize(connection, _forget, file)
    return connection


def is_any_open() -> bool:
    """Return whether this process has a connection open to any file."""
    with _lock:
        return bool(_files)


def _forget(file: FileId) -> None:
    with _lock:
        _files[file].connections -= 1
        if not _files[file].connections:
            del _files[file]

"""The connections of this process to SQLite files.

Whoever closes a file loses all the locks that his process has on it, SQLite's as well (that is POSIX). Another process
would then find the file free that a connection here is at work on, and take its -wal file away. So a file is only
looked into while no connection to it is open here; what was seen holds until the last one is closed.
"""

import os
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holystone.errors import StoreUnavailableError
from holystone.flavours.sqlite.file import is_in_wal_mode, require_database_file

FileId = tuple[int, int]
"""Device and number of a file, which its name may lose to another one."""


@dataclass
class _Seen:
    """What was seen in a file before one was open, and how many connections are open to it."""

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
_known: set[FileId] = set()
"""The files that were ever opened here, or by the process from which this one was forked."""
_without_shared_memory: set[FileId] = set()
"""Those of them that had no -shm file then."""
_inherited: set[FileId] = set()
"""The files that were open when this process was forked from another: SQLite takes the locks of that one for ours."""


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
        require_not_inherited(path, file)
        seen = _files.get(file) if file else None
        if file is None or seen is None:
            require_database_file(path)
            seen = _Seen(is_in_wal_mode(path))
            if file is not None and file not in _known:
                _known.add(file)
                if not _shared_memory_of(path).exists():
                    _without_shared_memory.add(file)
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
            connection.forget = weakref.finalize(connection, _forget, file, path)
    return connection


def require_not_inherited(path: Path, file: FileId | None) -> None:
    """Raise StoreUnavailableError where the file was open in the process from which this one was forked."""
    if file in _inherited:
        raise StoreUnavailableError(
            f"{path} was open in another process when this one was forked from it, which SQLite does not allow.",
            "Close the store before processes are forked, or have them spawned.",
        )


def is_any_open() -> bool:
    """Return whether this process has a connection open to any file."""
    with _lock:
        return bool(_files)


def _forget(file: FileId, path: Path) -> None:
    with _lock:
        seen = _files[file]
        seen.connections -= 1
        if not seen.connections:
            del _files[file]
            _tidy(file, path)


def tidy(path: Path) -> None:
    """Leave nothing beside a file that was not there before, once the processes have ended that were forked here."""
    with _lock:
        file = identify(path)
        if file is not None and file not in _files:
            _tidy(file, path)


def _tidy(file: FileId, path: Path) -> None:
    if file in _without_shared_memory and identify(path) == file:
        _take_away_shared_memory(path)


def _shared_memory_of(path: Path) -> Path:
    return Path(f"{path}-shm")


def _take_away_shared_memory(path: Path) -> None:
    """Remove the -shm file that a connection which only read has made and left, unless anybody has the file open.

    It would belong to whoever ran the check, and the engine might not be able to write to it. SQLite itself makes it
    anew from the -wal file, and removes it in the same way: holding the lock of the file that shuts everybody out. Each
    connection has a part of that lock before it looks for shared memory (`SHARED_FIRST` and others in its `os.h`).
    """
    memory = _shared_memory_of(path)
    if not memory.exists():
        return
    with suppress(ImportError, OSError):  # another system, no permission, or somebody has it open
        import fcntl

        # Locks do not tell of connections of this very process that are not ours; what they have in memory does.
        if str(memory.absolute()) in Path("/proc/self/maps").read_text(errors="replace"):
            return
        with open(path, "r+b", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES, _PENDING_BYTE)
            os.unlink(memory)


_PENDING_BYTE, _LOCK_BYTES = 0x40000000, 512
"""Where SQLite's locks of a file are: PENDING, RESERVED and 510 of SHARED."""


def _forked() -> None:
    global _lock
    _lock = threading.RLock()  # the other may have been held by a thread that is not here
    _inherited.update(_files)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)

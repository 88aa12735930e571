"""The file of a SQLite store: whether it is one, whole and readable, and whether anybody has it open."""

import os
import stat
from pathlib import Path

from holystone.errors import NotAStoreError, StoreUnavailableError, TargetError

_MAGIC = b"SQLite format 3\0"
_WAL_VERSION = 2


def require_database_file(path: Path) -> None:
    """Raise where `path` is not a whole, readable SQLite file; SQLite itself would say less, or create it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise TargetError(f"There is no file {path}.", "Name the engine's SQLite file.") from None
    except (OSError, ValueError) as error:
        raise TargetError(f"{path} cannot be reached: {_reason(error)}.", "Name the engine's SQLite file.") from None
    if stat.S_ISDIR(mode):
        raise TargetError(f"{path} is a directory.", "Name the engine's SQLite file inside it.")
    if not stat.S_ISREG(mode):
        raise TargetError(f"{path} is not a regular file.", "Name the engine's SQLite file.")
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be read: {_reason(error)}.", "Run the command as a user who may read the file."
        ) from None
    if not header:
        raise NotAStoreError(f"{path} is empty.", "Name the engine's SQLite file; let the engine make its store first.")
    if not header.startswith(_MAGIC):
        raise NotAStoreError(f"{path} is not a SQLite database.", "Name the engine's SQLite file.")
    _require_all_pages(path, header)


def _require_all_pages(path: Path, header: bytes) -> None:
    """Raise where the file is shorter than its header says: what is cut off would read as clean."""
    size = path.stat().st_size
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    pages = int.from_bytes(header[28:32], "big")
    header_is_current = header[24:28] == header[92:96]
    if len(header) < 100 or (header_is_current and size < pages * page_size and not wal_size(path)):
        raise StoreUnavailableError(
            f"{path} is truncated: its header speaks of {pages * page_size} bytes, the file has {size}.",
            "Restore the file from a backup, or recover what is left of it with sqlite3's .recover.",
        )


def lies_closed(path: Path) -> bool:
    """Return whether a WAL file lies closed: without a -shm file, and without anything in a -wal file."""
    with path.open("rb") as file:
        is_wal = file.read(20)[18:20] == bytes([_WAL_VERSION, _WAL_VERSION])
    if not is_wal or wal_size(path):
        return False
    return not Path(f"{path}-shm").exists() or not os.access(path.absolute().parent, os.W_OK)


def is_changed(path: Path, before: os.stat_result) -> bool:
    """Return whether the file was written to or replaced since `before`."""
    try:
        after = path.stat()
    except OSError:
        return True
    return (before.st_ino, before.st_mtime_ns, before.st_size) != (after.st_ino, after.st_mtime_ns, after.st_size)


def wal_size(path: Path) -> int:
    """Return the bytes of the file's -wal file, 0 where there is none."""
    try:
        return Path(f"{path}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()

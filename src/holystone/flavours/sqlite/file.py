"""The file of a SQLite store: whether it is one, whole and readable, and whether anybody has it open."""

import errno
import os
import shlex
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from holystone.errors import NoTablesError, StoreUnavailableError, TakenError, TargetError
from holystone.flavours.sqlite.staging import STAGING_FOLDERS, staging
from holystone.flavours.sqlite.wal import is_of_another_copy

_MAGIC = b"SQLite format 3\0"
_MAGIC_OF_COMPANIONS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
"""How a write-ahead log of either byte order begins, and a rollback journal: fileformat2.html of SQLite."""
_COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite adds to the name of a database for the files that belong to it."""
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""How files are called that are meant to be SQLite databases."""
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
        raise NoTablesError(f"{path} is empty.", "Name the engine's SQLite file; let the engine make its store first.")
    if not header.startswith(_MAGIC):
        raise NoTablesError(f"{path} is not a SQLite database.", "Name the engine's SQLite file.")
    _require_all_pages(path, header)
    if wal_size(path) and is_of_another_copy(path):
        raise StoreUnavailableError(
            f"{path}-wal is of another copy of the file, as after a restore of the file alone: SQLite would mix what "
            "both hold.",
            f"Stop whatever has the store open, move {path}-wal and {path}-shm to another folder, and check again.",
        )


def is_database_file(path: Path) -> bool:
    """Return whether a file begins as a SQLite database does, or cannot be read by this user, so that it may be one.

    An empty file is none; nor is what SQLite keeps beside a database.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return path.suffix in _SUFFIXES


def is_of_database(path: Path) -> bool:
    """Return whether a file is a SQLite database, belongs to one, or has the name of one that would."""
    bases = [path.with_name(path.name.removesuffix(one)) for one in _COMPANIONS if path.name.endswith(one)]
    return any(_begins_with(file, (_MAGIC, *_MAGIC_OF_COMPANIONS)) for file in (path, *bases))


def _begins_with(path: Path, magic: tuple[bytes, ...]) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(max(map(len, magic))).startswith(magic)
    except PermissionError:
        return False


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


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield an empty database in WAL mode, as the engine sets it, which takes the name `path` at the end.

    It is made in a folder of its own beside `path` and linked into its place, which fails where anything has come
    there meanwhile: nobody ever sees half a store, and nobody's file is replaced. Connections to it must be closed
    when the block ends.
    """
    _require_vacancy(path)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(staging(path.absolute().parent))
        except OSError as error:
            raise _cannot_be_made(path, error) from None
        unnamed = folder / "store.db"
        try:
            with closing(sqlite3.connect(unnamed, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise _cannot_be_made(path, error) from None
        _require_written(unnamed, path)
        yield unnamed
        _require_written(unnamed, path)
        try:
            os.link(unnamed, path)
        except FileExistsError:
            raise _is_there(path) from None
        except OSError as error:
            raise _cannot_be_made(path, error) from None


def _require_vacancy(path: Path) -> None:
    if os.path.lexists(path):
        raise _is_there(path)
    if not path.absolute().parent.is_dir():
        raise TargetError(f"There is no folder {path.parent}.", "Make the folder first, or name another file.")
    for suffix in ("-wal", "-journal"):
        # SQLite would write what they hold into the new file.
        if os.path.lexists(f"{path}{suffix}"):
            raise TargetError(
                f"{path}{suffix} is there, with writes of a database that is gone.",
                "Put that database back, or move the file away.",
            )


def _require_written(unnamed: Path, path: Path) -> None:
    """Raise where SQLite could not bring all that was written into the file on closing, of which it says nothing."""
    if wal_size(unnamed) or not unnamed.stat().st_size:
        raise StoreUnavailableError(f"{path} cannot be written whole.", "Make room on its disk, and try again.")


def _is_there(path: Path) -> TakenError:
    return TakenError(f"{path} is there already.", "Name a file that is not there yet.")


def _cannot_be_made(path: Path, error: Exception) -> TargetError:
    return TargetError(f"{path} cannot be made: {_reason(error)}.", "Name a file in another folder.")


def is_in_wal_mode(path: Path) -> bool:
    """Return whether the file's header says that its writes go to a -wal file first."""
    with path.open("rb") as file:
        return file.read(20)[18:20] == bytes([_WAL_VERSION, _WAL_VERSION])


def lies_closed(path: Path) -> bool:
    """Return whether a file in WAL mode lies closed: with no -shm file, and nothing beside it to bring into it."""
    if has_writes_beside(path):
        return False
    return not Path(f"{path}-shm").exists() or not os.access(path.absolute().parent, os.W_OK)


def has_writes_beside(path: Path) -> bool:
    """Return whether there is anything in the file's -wal or -journal file, which SQLite reads with the file."""
    return bool(wal_size(path) or _size(Path(f"{path}-journal")))


def require_only_name(path: Path) -> None:
    """Raise where the file has another name, and the last writes to it may lie beside that.

    SQLite looks for them beside the name by which a file is opened: without them an old state reads as the present one,
    and a write would damage the file.
    """
    links = path.stat().st_nlink
    if links > 1 and not has_writes_beside(path) and not _is_in_staging(path, links):
        raise StoreUnavailableError(
            f"{path} has {links} names (hard links), and what was written last may lie beside another one.",
            f"Find them with find / -xdev -samefile {shlex.quote(str(path))}, and use the one that the engine is given;"
            " or remove the others.",
        )


def _is_in_staging(path: Path, links: int) -> bool:
    """Return whether the other name is that under which a killed process of ours made the file."""
    return links == 2 and any(
        path.samefile(made) for made in path.absolute().parent.glob(STAGING_FOLDERS + "/store.db")
    )


def is_changed(path: Path, before: os.stat_result) -> bool:
    """Return whether the file was written to or replaced since `before`."""
    try:
        after = path.stat()
    except OSError:
        return True
    return (before.st_ino, before.st_mtime_ns, before.st_size) != (after.st_ino, after.st_mtime_ns, after.st_size)


def wal_size(path: Path) -> int:
    """Return the bytes of the file's -wal file, 0 where there is none."""
    return _size(Path(f"{path}-wal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):  # a name too long is one that nobody could write to
            return 0
        raise


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()

"""Files that a command writes and reads, with the errors that a user can cause."""

import errno
import os
import select
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from holystone.errors import HolystoneError
from holystone.flavours.database_files import belongs_to_database

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextmanager
def whole_file(name: str) -> Iterator[TextIO]:
    """Yield a file to write; it takes its name at the end, so that no reader ever sees half of it.

    It has the mode of the file that it replaces. A pipe or a character device, such as /dev/stdout, is written to as it
    goes: no file may take its place. Raises HolystoneError where the file would replace a database, or what belongs to
    one, and where its name leads through a link of another user.
    """
    path = Path(os.path.realpath(name))
    with _named(name):
        _require_no_strange_link(name)
        if belongs_to_database(path):
            raise HolystoneError(
                f"{name} is a database, or belongs to one: it is not written to.", "Name another file."
            )
        special = Path(name).exists() and not Path(name).is_file()
        if special:
            handle, temporary = _open_to_write(name), None
        else:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        raw = _ToPipe(handle, name) if special and _is_named_pipe(path) else FileIO(handle, "wb")
        with TextIOWrapper(BufferedWriter(raw), encoding="utf-8", errors="backslashreplace") as out:
            yield out
            if temporary is not None:
                out.flush()
                os.fsync(handle)
        if temporary is not None:
            with _named(name):
                _take_over(temporary, path)
    except BaseException:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise


def _take_over(temporary: str, path: Path) -> None:
    """Give the file the name, mode and owner of the one that it replaces, for good."""
    try:
        before = path.stat()
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
    else:
        if os.name == "posix":
            with suppress(PermissionError):
                os.chown(temporary, before.st_uid, before.st_gid)
        os.chmod(temporary, stat.S_IMODE(before.st_mode))
    os.replace(temporary, path)
    if os.name == "posix":  # elsewhere no folder can be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _require_no_strange_link(name: str) -> None:
    """Raise HolystoneError where whoever owns a link on the way decides which file is written."""
    if os.name != "posix":
        return  # files there have no owner's number
    absolute = Path(os.path.abspath(name))
    for place in (*reversed(absolute.parents), absolute):
        if place.is_symlink() and place.lstat().st_uid not in (0, os.geteuid()):
            raise HolystoneError(f"{place} is a link of another user.", "Name the file that is meant.")


_PATIENCE_SECONDS = 10.0
"""How long whoever is at the other end of a named pipe is waited for."""
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_POLL_SECONDS = 0.05


def _open_to_write(name: str) -> int:
    """Open what is no file; OSError where nobody reads the pipe in time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            handle = os.open(name, os.O_WRONLY | _AT_ONCE)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(name).st_mode):
                raise
            if time.monotonic() > deadline:
                raise OSError(error.errno, "nobody reads from this pipe") from None
            time.sleep(_POLL_SECONDS)
        else:
            os.set_blocking(handle, True)
            return handle


def _is_named_pipe(path: Path) -> bool:
    """Return whether it is one; /dev/stdout may lead to a pipe, too, but that has no name, and is the shell's."""
    return path.is_fifo()


class _ToPipe(RawIOBase):
    """Writes to a named pipe, and gives up where whoever reads it takes nothing for a while."""

    def __init__(self, handle: int, name: str) -> None:
        self._handle = handle
        self._name = name
        self._patience = _PATIENCE_SECONDS

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._handle

    def write(self, data: "ReadableBuffer") -> int:
        if not select.select([], [self._handle], [], self._patience)[1]:
            self._patience = 0  # what is still in the buffer is tried once more when it is closed
            raise HolystoneError(f"{self._name} cannot be written: nobody reads from this pipe.", "Name another file.")
        return os.write(self._handle, memoryview(data)[: select.PIPE_BUF])  # for so much there is room

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()


def _read_bytes(name: str) -> bytes:
    """Return what is in a file, or what comes through a named pipe; OSError for a device, which may have no end."""
    handle = os.open(name, os.O_RDONLY | _AT_ONCE)
    with open(handle, "rb", buffering=0) as file:
        mode = os.fstat(handle).st_mode
        _require_end(mode)
        return _from_pipe(file) if stat.S_ISFIFO(mode) else file.readall()


def _require_end(mode: int) -> None:
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, "it is a device")


def _from_pipe(file: FileIO) -> bytes:
    """Return what comes through a pipe up to its end, which it also says to have before anybody writes to it."""
    found: list[bytes] = []
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        some = file.read(1 << 16)
        if some:
            found.append(some)
            deadline = time.monotonic() + _PATIENCE_SECONDS
        elif some is not None and found:
            return b"".join(found)
        else:
            time.sleep(_POLL_SECONDS)
    raise OSError(errno.ETIMEDOUT, "nobody writes to this pipe")


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HolystoneError(f"{name} cannot be written: {_reason(error)}.", "Name another file.") from None


def read_file(name: str) -> str:
    """Return the text of a file, or of standard input for `-`."""
    try:
        if name == "-":
            if not sys.stdin.isatty():
                _require_end(os.fstat(sys.stdin.fileno()).st_mode)
            return sys.stdin.read()
        return _read_bytes(name).decode()
    except (OSError, ValueError) as error:
        raise HolystoneError(f"{name} cannot be read: {_reason(error)}.", "Name a file that can be read.") from None


def holds_object(name: str) -> bool:
    """Return whether `name` is standard input, or a file that begins as a JSON object does."""
    path = Path(name)
    try:
        if name == "-" or not path.is_file():
            return name == "-"
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except (OSError, ValueError):
        return False


def _reason(error: Exception) -> str:
    strerror: str | None = getattr(error, "strerror", None)
    return strerror.lower() if strerror else "it is not UTF-8 text"

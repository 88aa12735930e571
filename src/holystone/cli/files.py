"""Files that a command writes and reads, with the errors that a user can cause."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from holystone.errors import HolystoneError


@contextmanager
def whole_file(name: str) -> Iterator[TextIO]:
    """Yield a file to write; it takes its name at the end, so that no reader ever sees half of it.

    A pipe or a device, such as /dev/stdout, is written to as it goes: no file may take its place.
    """
    path = Path(os.path.realpath(name))
    with _named(name):
        special = Path(name).exists() and not Path(name).is_file()
        if special:
            handle, temporary = os.open(name, os.O_WRONLY), None
        else:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
            yield out
        if temporary is not None:
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            with _named(name):
                os.replace(temporary, path)
    except BaseException:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise


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
            return sys.stdin.read()
        return Path(name).read_text(encoding="utf-8")
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

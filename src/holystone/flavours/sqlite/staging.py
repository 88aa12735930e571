"""The folder in which a new store is made before it has its name; one that a killed process left is cleared away."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

try:
    import fcntl
except ImportError:  # not Unix: there is no telling whether a staging folder is still in use
    fcntl = None  # type: ignore[assignment]

_PREFIX = ".holystone-"
STAGING_FOLDERS = f"{_PREFIX}*"
"""The pattern of their names."""
_HOLDS = frozenset({"store.db", "store.db-wal", "store.db-shm", "store.db-journal"})


@contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """Yield a new folder in the folder `beside`, which is removed in the end; OSError where none can be made.

    Its maker holds a lock on it, which ends with the process: a staging folder without one is nobody's any more.
    """
    _clear_away(beside)
    folder, held = _locked_folder(beside)
    try:
        yield folder
    finally:
        _remove(folder)
        if held is not None:
            os.close(held)


def _locked_folder(beside: Path) -> tuple[Path, int | None]:
    while True:
        folder = Path(mkdtemp(prefix=_PREFIX, dir=beside))
        if fcntl is None:
            return folder, None
        held = _lock(folder)
        if held is not None and folder.exists():
            return folder, held
        # Another one came between the two steps, and took it for abandoned.
        if held is not None:
            os.close(held)


def _clear_away(beside: Path) -> None:
    """Remove the staging folders that nobody is at work in."""
    if fcntl is None:
        return
    with suppress(OSError):
        for folder in beside.glob(STAGING_FOLDERS):
            if (held := _lock(folder)) is not None:
                _remove(folder)
                os.close(held)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that holds the lock on a folder; None where another process has it, or it is none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove(folder: Path) -> None:
    """Remove a staging folder with what SQLite leaves in one; nothing where anything else is in it."""
    with suppress(OSError):
        names = os.listdir(folder)
        if _HOLDS.issuperset(names):
            for name in names:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()

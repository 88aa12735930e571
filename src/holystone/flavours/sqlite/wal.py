"""The write-ahead log beside a SQLite file: whether it is the file's own, or that of another copy of it.

SQLite tells a log by its name alone. Where a file is restored and the log of the one before it stays, SQLite reads the
pages of both as one database, and writes those of the log into the file at the next checkpoint.

Sources: fileformat2.html of SQLite, "The WAL File Format" and "File change counter"; `pager_write_changecounter` and
`pagerWalFrames` in its src/pager.c: a transaction that writes the first page sets a counter in it to the one that it
found there and one. `walRestartHdr` in src/wal.c: a log is begun anew only when all of it is in the file.
"""

from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

_HEADER, _FRAME_HEADER = 32, 24
_COUNTER = 24
"""Where the first page has the counter."""
_FIRST_PAGE = 1


def is_of_another_copy(path: Path) -> bool:
    """Return whether the log beside a file cannot be its own: it begins after what the file holds, or ends before.

    That of a file which is written to meanwhile always can: it ends with what was in the file before, or later, and
    begins with what is in the file afterwards, or follows on that.
    """
    before = _counter_of(path)
    try:
        with Path(f"{path}-wal").open("rb") as log:
            counters = list(_counters(log))
    except FileNotFoundError:
        return False
    return bool(counters) and (counters[-1] < before or counters[0] > _counter_of(path) + 1)


def _counter_of(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(_COUNTER)
        return _number(file)


def _counters(log: BufferedReader) -> Iterator[int]:
    """Yield the counter of each first page that a transaction in the log has committed, in order."""
    header = log.read(_HEADER)
    page_size, salts = int.from_bytes(header[8:12], "big"), header[16:24]
    page_size = 65536 if page_size == 1 else page_size
    uncommitted: list[int] = []
    while len(header) == _HEADER and page_size:
        frame = log.read(_FRAME_HEADER)
        if len(frame) < _FRAME_HEADER or frame[8:16] != salts:  # the rest is of a log that was begun anew
            return
        page = log.tell()
        if int.from_bytes(frame[:4], "big") == _FIRST_PAGE:
            log.seek(page + _COUNTER)
            uncommitted.append(_number(log))
        if int.from_bytes(frame[4:8], "big"):
            yield from uncommitted
            uncommitted = []
        log.seek(page + page_size)


def _number(file: BufferedReader) -> int:
    return int.from_bytes(file.read(4), "big")

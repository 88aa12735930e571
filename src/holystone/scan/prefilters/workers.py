"""Who runs a prefilter: this process, and others that are forked for it.

Prefilters work in Python, where threads wait for each other.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

from holystone.errors import HolystoneError
from holystone.flavours.savepoint import savepoint
from holystone.scan.prefilters.prefilter import Prefilter
from holystone.scan.reader import Reader
from holystone.scan.unread import ODD
from holystone.store.open_store import OpenStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe


_PATIENCE_SECONDS = 1.0
"""For a process that ends itself."""


T = TypeVar("T")
Job = Callable[[Prefilter, Reader], T]
"""A function, with its arguments, that another process can be sent."""


class Worker(Protocol):
    """Does one job after the other, such as to run the prefilter over a range."""

    def run(self, job: Job[T]) -> T | None:
        """Return what came of a job, None where something could not be read."""

    def interrupt(self) -> None:
        """Have `run` end at once in another thread."""


class LocalWorker:
    """Works in this process, on a connection."""

    def __init__(self, prefilter: Prefilter, reader: Reader) -> None:
        self._prefilter, self._reader = prefilter, reader

    def run(self, job: Job[T]) -> T | None:
        connection = self._reader.connection
        try:
            with savepoint(connection), self._reader.flavour.strict_utf8(connection):
                return job(self._prefilter, self._reader)
        except (DBAPIError, *ODD):
            return None

    def interrupt(self) -> None:
        self._reader.flavour.interrupt(self._reader.connection)


class ForkedWorker:
    """Works in a process of its own, which sees the store as a connection here does."""

    def __init__(self, prefilter: Prefilter, store: OpenStore, others: Sequence["ForkedWorker"]) -> None:
        import multiprocessing

        self._run_time = store.run_time

        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        inherited = [self._pipe, *(other._pipe for other in others)]
        self._process = context.Process(target=_work, args=(theirs, inherited, prefilter, store), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, snapshot: str | None) -> None:
        self._pipe.send(snapshot)

    def run(self, job: Job[T]) -> T | None:
        try:
            self._pipe.send(job)
            result: T | None = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return result

    def interrupt(self) -> None:
        if not self._ends_itself:
            self._process.terminate()

    def end(self) -> None:
        self._pipe.close()
        if self._ends_itself:
            self._process.join(_PATIENCE_SECONDS)
        self._process.terminate()
        self._process.join()

    @property
    def _ends_itself(self) -> bool:
        """Whether the process has the run time end it, and its statement with it: a server goes on with that of one
        that is gone."""
        return self._run_time is not None and self._run_time.is_over


def _work(pipe: "Pipe", inherited: "Iterable[Pipe]", prefilter: Prefilter, store: OpenStore) -> None:
    """Do the jobs that come through a pipe, until nobody is there to send any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for end in inherited:
        end.close()
    try:
        snapshot = pipe.recv()
        with store.snapshots(1, snapshot) as [connection]:
            worker = LocalWorker(prefilter, Reader(store, connection))
            while True:
                pipe.send(worker.run(pipe.recv()))
    except (EOFError, OSError, HolystoneError):
        return


@contextmanager
def forked_workers(number: int, prefilter: Prefilter, store: OpenStore) -> Iterator[list[ForkedWorker]]:
    """Yield so many workers, which wait for a snapshot to begin with; none where a process cannot be forked safely.

    That is so once threads or connections are at work in it, so ask before.
    """
    found: list[ForkedWorker] = []
    try:
        if sys.platform == "linux" and threading.active_count() == 1 and store.flavour.can_be_forked():
            with suppress(OSError):  # no more processes, or no memory: those that there are will do
                for _ in range(number):
                    found.append(ForkedWorker(prefilter, store, found))
        yield found
    finally:
        for worker in found:
            worker.end()
        if found:
            store.flavour.end_forked()

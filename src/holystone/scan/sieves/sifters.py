"""Who sifts: this process, and others that are forked for it.

Sieves work in Python, where threads wait for each other.
"""

import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.exc import DBAPIError

from holystone.errors import HolystoneError
from holystone.flavours.savepoint import savepoint
from holystone.scan.reader import Reader
from holystone.scan.sieves.sieve import Sieve, Sifted
from holystone.scan.spans import Span
from holystone.scan.unread import ODD
from holystone.store.open_store import OpenStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe


class Sifter(Protocol):
    """Sifts one span after the other."""

    def sift(self, span: Span) -> Sifted | None:
        """Return what came of a span, None where it could not be read."""

    def interrupt(self) -> None:
        """Have `sift` end at once in another thread."""


class Here:
    """Sifts in this process, on a connection."""

    def __init__(self, sieve: Sieve, reader: Reader) -> None:
        self._sieve, self._reader = sieve, reader

    def sift(self, span: Span) -> Sifted | None:
        connection = self._reader.connection
        try:
            with savepoint(connection), self._reader.flavour.strict_utf8(connection):
                return self._sieve.sift(self._reader, span.conditions(self._reader.flavour))
        except (DBAPIError, *ODD):
            return None

    def interrupt(self) -> None:
        self._reader.flavour.interrupt(self._reader.connection)


class Helper:
    """Sifts in a process of its own, which sees the store as a connection here does."""

    def __init__(self, sieve: Sieve, store: OpenStore, others: Sequence["Helper"]) -> None:
        import multiprocessing

        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        inherited = [self._pipe, *(other._pipe for other in others)]
        self._process = context.Process(target=_help, args=(theirs, inherited, sieve, store), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, view: str | None) -> None:
        self._pipe.send(view)

    def sift(self, span: Span) -> Sifted | None:
        try:
            self._pipe.send(span)
            sifted: Sifted | None = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return sifted

    def interrupt(self) -> None:
        self._process.terminate()

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def _help(pipe: "Pipe", inherited: "Iterable[Pipe]", sieve: Sieve, store: OpenStore) -> None:
    """Sift the spans that come through a pipe, until nobody is there to send any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for end in inherited:
        end.close()
    try:
        view = pipe.recv()
        with store.snapshots(1, view) as [connection]:
            here = Here(sieve, Reader(store, connection))
            while True:
                pipe.send(here.sift(pipe.recv()))
    except (EOFError, OSError, HolystoneError):
        return


@contextmanager
def helpers(number: int, sieve: Sieve, store: OpenStore) -> Iterator[list[Helper]]:
    """Yield so many helpers, which wait for a view to begin with; none where a process cannot be forked safely.

    That is so once threads or connections are at work in it, so ask before.
    """
    found: list[Helper] = []
    try:
        if sys.platform == "linux" and threading.active_count() == 1 and store.flavour.can_be_forked():
            with suppress(OSError):  # no more processes, or no memory: those that there are will do
                for _ in range(number):
                    found.append(Helper(sieve, store, found))
        yield found
    finally:
        for helper in found:
            helper.end()
        if found:
            store.flavour.end_forked()

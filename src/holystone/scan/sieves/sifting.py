"""Sifting a store: the sieve that fits a scan goes through it span by span, before any relation does."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sqlalchemy.exc import DBAPIError

from holystone.flavours.savepoint import savepoint
from holystone.scan.check import Check
from holystone.scan.parallel import in_order
from holystone.scan.passes import Progress
from holystone.scan.reader import Reader
from holystone.scan.sieves.sieve import Passes, Sieve, Sifted
from holystone.scan.sieves.sifters import Helper, Here, Sifter, helpers
from holystone.scan.spans import Span, spans_of_instances, spans_of_store
from holystone.store.open_store import OpenStore

AT_ONCE = 5_000
"""Executions in a span."""
_WORTH_HELP = 20_000
"""Executions, or instances where only some are sifted, from which on other processes help."""


class Sifting:
    """A sieve for a store or for some of its instances, and the processes that wait to help."""

    def __init__(self, sieve: Sieve, others: Sequence[Helper], only: Sequence[str] | None) -> None:
        self._sieve = sieve
        self._others = others
        self._only = only

    @property
    def is_brief(self) -> bool:
        """Whether only some instances are sifted, and by nobody else: then it is done beside looks at other rows."""
        return self._only is not None and not self._others

    def told_apart(self, passes: Passes) -> tuple[Passes, Passes]:
        """Return what the sieve can save passes, and what it cannot: each relation with such checks."""
        proven, others = (
            [(relation, some) for relation, checks in passes if (some := [c for c in checks if self._proves(c) is yes])]
            for yes in (True, False)
        )
        return proven, others

    def _proves(self, check: Check) -> bool:
        return check.id in self._sieve.proves

    def sifted(self, reader: Reader, pattern: str | None, report: Progress | None = None) -> Sifted | None:
        """Return what came of the instances that match a pattern; how far it is, is reported in executions.

        None where the store cannot be read, which the relations will come upon and say, or where so many instances are
        in doubt that all may be looked at as well.
        """
        try:
            with savepoint(reader.connection):
                spans = (
                    spans_of_store(reader, AT_ONCE, pattern) if self._only is None else spans_of_instances(self._only)
                )
                parts = list(spans)
        except DBAPIError:
            return None
        view = reader.flavour.export_snapshot(reader.connection) if self._others else None
        for other in self._others:
            other.begin(view)
        sifted = Sifted()
        sifters: list[Sifter] = [Here(self._sieve, reader)]
        if len(parts) * AT_ONCE >= _WORTH_HELP:
            sifters += self._others
        for number, part in enumerate(_sift(sifters, parts)):
            if part is None:
                return None
            sifted.add(part)
            if sifted.is_hopeless:
                return None
            if report is not None:
                report("histories", number * AT_ONCE, len(parts) * AT_ONCE)
        return sifted


@contextmanager
def prepared(
    store: OpenStore, passes: Passes, sieves: Sequence[Sieve], jobs: int, only: Sequence[str] | None
) -> Iterator[Sifting | None]:
    """Yield the first of the sieves that fits these passes, with helpers for so many jobs in all; None where none does.

    To be called before any connection is open: then processes can be forked. `only` are the instances to sift, None for
    all; few are sifted sooner than a helper begins.
    """
    sieve = next((sieve for sieve in sieves if sieve.fits(store, passes)), None)
    number = jobs - 1 if only is None or len(only) >= _WORTH_HELP else 0
    with ExitStack() as stack:
        yield None if sieve is None else Sifting(sieve, stack.enter_context(helpers(number, sieve, store)), only)


def _sift(sifters: Sequence[Sifter], parts: Sequence[Span]) -> Iterator[Sifted | None]:
    """Yield what came of each span, in order."""
    pieces = (partial(_sifted, part) for part in parts)
    return in_order(pieces, sifters, lambda sifter: sifter.interrupt())


def _sifted(span: Span, sifter: Sifter) -> Iterator[Sifted | None]:
    yield sifter.sift(span)

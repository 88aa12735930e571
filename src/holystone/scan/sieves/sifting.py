"""Sifting a store: the sieve that fits a scan goes through it span by span, before any relation does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sqlalchemy.exc import DBAPIError

from holystone.scan.parallel import in_order
from holystone.scan.reader import Reader
from holystone.scan.sieves.sieve import Passes, Sieve, Sifted
from holystone.scan.sieves.sifters import Helper, Here, Sifter, helpers
from holystone.scan.spans import Span, spans_of_instances, spans_of_store
from holystone.store import Store

AT_ONCE = 5_000
"""Executions in a span."""
_WORTH_HELP = 4
"""Spans from which on other processes help."""

Done = Callable[[int, int], None]
"""Called with the executions that are sifted, about, and with those in all."""


class Sifting:
    """A sieve for a store or for some of its instances, and the processes that wait to help."""

    def __init__(self, sieve: Sieve, others: Sequence[Helper], only: Sequence[str] | None) -> None:
        self._sieve = sieve
        self._others = others
        self._only = only

    def sifted(self, reader: Reader, pattern: str | None, done: Done) -> Sifted | None:
        """Return what came of the instances that match a pattern.

        None where the store cannot be read, which the relations will come upon and say, or where so many instances are
        in doubt that all may be looked at as well.
        """
        try:
            with reader.connection.begin_nested():
                spans = (
                    spans_of_store(reader, AT_ONCE, pattern) if self._only is None else spans_of_instances(self._only)
                )
                parts = list(spans)
        except DBAPIError:
            return None
        view = reader.flavour.share_view(reader.connection) if self._others else None
        for other in self._others:
            other.begin(view)
        sifted = Sifted(self._sieve.proves)
        for number, part in enumerate(_sift([Here(self._sieve, reader), *self._others], parts)):
            if part is None:
                return None
            sifted.add(part)
            if sifted.is_hopeless:
                return None
            done(number * AT_ONCE, len(parts) * AT_ONCE)
        return sifted


@contextmanager
def prepared(
    store: Store, passes: Passes, sieves: Sequence[Sieve], jobs: int, only: Sequence[str] | None
) -> Iterator[Sifting | None]:
    """Yield the first of the sieves that fits these passes, with helpers for so many jobs in all; None where none does.

    To be called before any connection is open: then processes can be forked. `only` are the instances to sift, None for
    all; few are sifted sooner than a helper begins.
    """
    sieve = next((sieve for sieve in sieves if sieve.fits(store, passes)), None)
    number = jobs - 1 if only is None or _are_worth_help(list(spans_of_instances(only))) else 0
    with ExitStack() as stack:
        yield None if sieve is None else Sifting(sieve, stack.enter_context(helpers(number, sieve, store)), only)


def _sift(sifters: Sequence[Sifter], parts: Sequence[Span]) -> Iterator[Sifted | None]:
    """Yield what came of each span, in order; by the first of the sifters alone where there are few."""
    if not _are_worth_help(parts):
        sifters = sifters[:1]
    pieces = (partial(_sifted, part) for part in parts)
    return in_order(pieces, sifters, lambda sifter: sifter.interrupt())


def _sifted(span: Span, sifter: Sifter) -> Iterator[Sifted | None]:
    yield sifter.sift(span)


def _are_worth_help(parts: Sequence[Span]) -> bool:
    return len(parts) >= _WORTH_HELP

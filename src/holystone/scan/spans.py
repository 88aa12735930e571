"""Spans: parts of a store that can be named to another process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holystone.duroxide.tables import executions, history
from holystone.flavours import Flavour
from holystone.scan.bounds import bounds
from holystone.scan.reader import Reader
from holystone.scan.relation import AT_ONCE, Conditions


@dataclass(frozen=True)
class Span:
    """The instances whose ids lie after one id and up to another, match a pattern, and are some of a few: all apply."""

    after: str | None = None
    up_to: str | None = None
    pattern: str | None = None
    among: Sequence[str] | None = None

    def conditions(self, flavour: Flavour) -> Conditions:
        """Return the conditions on `history` that its events are of the span."""
        of = history.c.instance_id
        conditions = flavour.key_range(of, self.after, self.up_to)
        if self.pattern is not None:
            conditions.append(flavour.matches_glob(of, self.pattern))
        if self.among is not None:
            conditions.append(flavour.among(of, self.among))
        return conditions


def spans_of_store(reader: Reader, stride: int, pattern: str | None = None) -> Iterator[Span]:
    """Yield spans that cut a store, each of about so many executions, in order.

    Executions are counted, of which there are far fewer than events. Where there is more than one span, the last one is
    of the histories that lie after all executions: there should be none.
    """
    after: str | None = None
    for up_to in bounds(reader, executions.c.instance_id, stride):
        yield Span(after, up_to, pattern)
        after = up_to
    yield Span(after, None, pattern)


def spans_of_instances(instances: Sequence[str]) -> Iterator[Span]:
    """Yield spans of these instances, some at a time."""
    for start in range(0, len(instances), AT_ONCE):
        yield Span(among=instances[start : start + AT_ONCE])

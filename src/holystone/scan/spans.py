"""Spans: parts of a store that can be named to another process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from holystone.scan.reader import Reader
from holystone.scan.relation import AT_ONCE, Conditions
from holystone.store.flavours import Flavour
from holystone.store.tables import executions, history


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
        conditions: list[ColumnElement[bool]] = []
        if self.after is not None:
            conditions.append(of > self.after)
        if self.up_to is not None:
            conditions.append(of <= self.up_to)
        if self.pattern is not None:
            conditions.append(flavour.matches_glob(of, self.pattern))
        if self.among is not None:
            conditions.append(of.in_(self.among))
        return conditions


def spans_of_store(reader: Reader, stride: int, pattern: str | None = None) -> Iterator[Span]:
    """Yield spans that cut a store, each of about so many executions, in order.

    Executions are counted, of which there are far fewer than events.
    """
    of = executions.c.instance_id
    after: str | None = None
    while True:
        walk = select(of).order_by(of).offset(stride).limit(1)
        if after is not None:
            walk = walk.where(of > after)
        up_to = reader.connection.execute(walk).scalar_one_or_none()
        yield Span(after, up_to, pattern)
        if up_to is None:
            return
        after = up_to


def spans_of_instances(instances: Sequence[str]) -> Iterator[Span]:
    """Yield spans of these instances, some at a time."""
    for start in range(0, len(instances), AT_ONCE):
        yield Span(among=instances[start : start + AT_ONCE])

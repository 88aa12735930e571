"""Key ranges: parts of a store that can be named to another process."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from holystone.duroxide.tables import executions, history
from holystone.flavours import Flavour
from holystone.scan.range_bounds import range_bounds
from holystone.scan.reader import Reader
from holystone.scan.relation import INSTANCES_PER_STATEMENT, Conditions

EXECUTIONS_PER_RANGE = 5_000
"""Executions whose histories are read at a time."""


class KeyRange(Struct, frozen=True):
    """The instances whose ids lie after one id and up to another, match a pattern, and are some of a few: all apply."""

    after: str | None = None
    up_to: str | None = None
    pattern: str | None = None
    among: Sequence[str] | None = None

    def conditions(self, flavour: Flavour) -> Conditions:
        """Return the conditions on `history` that its events are of the key range."""
        instance_id = history.c.instance_id
        conditions = flavour.key_range(instance_id, self.after, self.up_to)
        if self.pattern is not None:
            conditions.append(flavour.matches_glob(instance_id, self.pattern))
        if self.among is not None:
            conditions.append(flavour.among(instance_id, self.among))
        return conditions


def key_ranges_of_store(reader: Reader, rows_per_range: int, pattern: str | None = None) -> Iterator[KeyRange]:
    """Yield ranges that cut a store, each of about so many executions, in order.

    Executions are counted, of which there are far fewer than events. Where there is more than one range, the last one
    is of the histories that lie after all executions: there should be none.
    """
    after: str | None = None
    for up_to in range_bounds(reader, executions.c.instance_id, rows_per_range):
        yield KeyRange(after, up_to, pattern)
        after = up_to
    yield KeyRange(after, None, pattern)


def key_ranges_of_instances(instances: Sequence[str]) -> Iterator[KeyRange]:
    """Yield ranges of these instances, some at a time."""
    for start in range(0, len(instances), INSTANCES_PER_STATEMENT):
        yield KeyRange(among=instances[start : start + INSTANCES_PER_STATEMENT])

"""Tags: which activities a worker takes."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import ColumnElement, false, or_, true

MOST_TAGS = 5
"""How many tags one worker may name: `MAX_WORKER_TAGS` in src/runtime/limits.rs of the engine."""


@dataclass(frozen=True)
class TagFilter:
    """Which activities a worker takes, by their tags; made by the methods named after the engine's own kinds.

    `tagged` are the tags that it takes, or None for each and every tag; `untagged` says whether it takes those
    without.
    """

    untagged: bool
    tagged: frozenset[str] | None

    @classmethod
    def default_only(cls) -> Self:
        """Return the filter for activities without a tag; it is what a fetch uses where none is given."""
        return cls(untagged=True, tagged=frozenset())

    @classmethod
    def tags(cls, *names: str) -> Self:
        """Return the filter for activities with one of these tags; ValueError for none, or more than five."""
        return cls(untagged=False, tagged=_some(names))

    @classmethod
    def default_and(cls, *names: str) -> Self:
        """Return the filter for activities without a tag and with one of these; ValueError as `tags` has it."""
        return cls(untagged=True, tagged=_some(names))

    @classmethod
    def any(cls) -> Self:
        """Return the filter for all activities."""
        return cls(untagged=True, tagged=None)

    @classmethod
    def none(cls) -> Self:
        """Return the filter for no activity: of a process that runs orchestrations only."""
        return cls(untagged=False, tagged=frozenset())

    def takes(self, tag: str | None) -> bool:
        """Return whether a worker takes an activity with this tag, None for one without."""
        if tag is None:
            return self.untagged
        return self.tagged is None or tag in self.tagged

    def condition(self, tag: ColumnElement[str | None]) -> ColumnElement[bool]:
        """Return `takes` as a condition on a column."""
        named = tag.is_not(None) if self.tagged is None else tag.in_(sorted(self.tagged)) if self.tagged else false()
        if self.untagged:
            return true() if self.tagged is None else or_(tag.is_(None), named)
        return named


def _some(names: tuple[str, ...]) -> frozenset[str]:
    tags = frozenset(names)
    if not 1 <= len(tags) <= MOST_TAGS:
        raise ValueError(f"A worker names one to {MOST_TAGS} tags, not {len(tags)}.")
    return tags

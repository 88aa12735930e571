"""The shapes that the engine's schema has had, declared as what each of its migrations changed.

A shape is a set of *facts*, each a name and what is said of it: `column executions.status` is
`TEXT not null default 'Running'`. A lineage is written down as a text, migration by migration:

    3 add_attempt_count
    + column worker_queue.attempt_count: integer not null default 0
    - index idx_old

A line with `+` adds a fact, or replaces what was said under its name; one with `-` takes it away.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

from msgspec import Struct

Facts = Mapping[str, str]
"""Name of a column, key, index, check or function -> what it is, in the words of the flavour's own catalogue."""

_HEADING = re.compile(r"(\d+) (.+)")
_ADDED = re.compile(r"\+ ([^:]+)(?:: (.+))?")
_REMOVED = re.compile(r"- (.+)")


class SchemaLevel(Struct, frozen=True):
    """The engine's schema after one of its migrations."""

    version: int
    description: str
    facts: Facts


class Lineage(Struct, frozen=True, dict=True):
    """All the shapes that a store of one flavour can have."""

    levels: tuple[SchemaLevel, ...]
    """By version, which is also the order in which the engine runs its migrations."""
    others: Mapping[str, Facts]
    """Shapes that no migration leads to, by name."""
    variants: tuple[SchemaLevel, ...] = ()
    """Further shapes of some levels: what a migration made before it was edited."""

    @cached_property
    def versions(self) -> tuple[int, ...]:
        return tuple(level.version for level in self.levels)

    @cached_property
    def tables(self) -> frozenset[str]:
        """The engine's tables, those of all levels."""
        shapes = [*(level.facts for level in self.levels), *self.others.values()]
        return frozenset(name.split()[1].partition(".")[0] for facts in shapes for name in facts if is_column(name))

    @cached_property
    def indexes(self) -> frozenset[str]:
        """The engine's indexes, those of all levels, but for what primary keys make."""
        shapes = [*(level.facts for level in self.levels), *self.others.values()]
        return frozenset(name.split()[1] for facts in shapes for name in facts if name.startswith("index "))

    @classmethod
    def parse(
        cls,
        text: str,
        others: Mapping[str, str] = MappingProxyType({}),
        variants: Mapping[int, str] = MappingProxyType({}),
    ) -> "Lineage":
        """Return the lineage that `text` declares.

        `others` are shapes by name, as changes to its last level, and `variants` are those of levels, by version.
        """
        levels: list[SchemaLevel] = []
        facts: dict[str, str] = {}
        for line in text.strip().splitlines():
            if heading := _HEADING.fullmatch(line):
                facts = dict(facts)
                levels.append(SchemaLevel(int(heading[1]), heading[2], facts))
            else:
                _change(facts, line)
        return cls(
            tuple(levels),
            {name: _changed(facts, changes) for name, changes in others.items()},
            tuple(
                SchemaLevel(level.version, level.description, _changed(level.facts, variants[level.version]))
                for level in levels
                if level.version in variants
            ),
        )


def is_column(name: str) -> bool:
    """Return whether a fact is about a column."""
    return name.startswith("column ")


def _changed(facts: Facts, changes: str) -> Facts:
    changed = dict(facts)
    for line in changes.strip().splitlines():
        _change(changed, line)
    return changed


def _change(facts: dict[str, str], line: str) -> None:
    if not line:
        return
    if added := _ADDED.fullmatch(line):
        facts[added[1]] = added[2] or ""
    elif removed := _REMOVED.fullmatch(line):
        del facts[removed[1]]
    else:
        raise ValueError(f"a lineage cannot say {line!r}")

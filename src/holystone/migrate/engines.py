"""Which versions of the engine a store has met, and which can open it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal, select

from holystone.duroxide.engine_version import EngineVersion, engine_version, in_words
from holystone.duroxide.releases import RELEASES, WRITES, of_postgresql, of_sqlite
from holystone.duroxide.tables import VERSION_COLUMNS, executions, history
from holystone.store.open_store import OpenStore

_NAMED = '"duroxide_version":"'
_LONGEST = 30
"""Characters of a version that are looked at."""


@dataclass(frozen=True)
class Engines:
    """The versions of the engine's core, of its PostgreSQL provider and of its Python package, oldest first.

    `wrote` are those that began the executions which are there. `migrated` are those whose last migration is the last
    of the store: with one of them, or of the provider, the store is as its newest engine left it; none where that is
    unknown here. `opening` are those that open the store as it is, or migrate it; an older one would take it for
    another. On SQLite these two are of the core, on PostgreSQL of the provider. `packages` are the Python packages
    that open it.
    """

    wrote: Sequence[str]
    migrated: Sequence[str]
    opening: Sequence[str]
    packages: Sequence[str]


def engines(store: OpenStore, connection: Connection) -> Engines:
    """Return what is known of the engines of a store; every execution is looked at."""
    wrote = [in_words(version) for version in sorted(set(_beginners(store, connection)))]
    last = int(store.engine_migration) if store.engine_migration is not None else None
    if last is None:
        return Engines(wrote, [], [], [])
    if store.flavour.name == "sqlite":
        migrated = [version for release in of_sqlite(last) for version in release.versions]
        opening = [version for one in WRITES if one.sqlite >= last for version in one.release.versions]
        packages = [name for one in WRITES if one.sqlite >= last for name in one.release.packages]
    else:
        migrated = list(of_postgresql(last))
        opening = [name for one in RELEASES for name, reaches in one.providers.items() if reaches >= last]
        packages = [name for one in RELEASES for name, reaches in one.packages.items() if reaches >= last]
    return Engines(wrote, migrated, opening, packages)


def _beginners(store: OpenStore, connection: Connection) -> Iterator[EngineVersion]:
    """Yield the versions that began executions: by the columns, else by the events that began them."""
    of = executions.c
    start = select(history.c.event_data).where(
        history.c.instance_id == of.instance_id, history.c.execution_id == of.execution_id, history.c.event_id == 1
    )
    named = func.substr(
        start.scalar_subquery(),
        store.flavour.place_in(start.scalar_subquery(), literal(_NAMED)) + len(_NAMED),
        _LONGEST,
    )
    unpinned = select(named.label("named")).select_from(executions).distinct()
    if VERSION_COLUMNS[0] in store.columns[executions.name]:
        pinned = select(*(of[name] for name in VERSION_COLUMNS)).where(of[VERSION_COLUMNS[0]].is_not(None)).distinct()
        for major, minor, patch in connection.execute(pinned):
            if all(isinstance(number, int) for number in (major, minor, patch)):
                yield major, minor, patch
        unpinned = unpinned.where(of[VERSION_COLUMNS[0]].is_(None))
    for text in connection.execute(unpinned).scalars():
        version = engine_version(text) if isinstance(text, str) else None
        if version is not None:
            yield version

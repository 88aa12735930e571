"""The published versions of the engine: what each changed, and which stores it opens, as text and as JSON."""

from collections.abc import Mapping
from typing import Any

from holystone.duroxide.fields import Shape
from holystone.duroxide.release import Release, Writes
from holystone.duroxide.releases import NEWEST_IN_WORDS, WRITES
from holystone.render.messages import document, say


def engines_json() -> None:
    """Write the versions as one JSON object, oldest first."""
    document({"schema": 1, "newest": NEWEST_IN_WORDS, "engines": [_object(one) for one in WRITES]}, indent=1)


def engines_text() -> None:
    """Write the versions, oldest first, each with its migrations and what it changed."""
    for before, one in zip((None, *WRITES), WRITES, strict=False):
        say(f"{one.release.in_words:<18}SQLite migration {one.sqlite}{_providers(one.release)}")
        say(f"    {'; '.join(one.release.changes)}")
        for what, names in _brought(before, one).items():
            if names:
                say(f"    {what}: {', '.join(names)}")
    say(f"The newest is {NEWEST_IN_WORDS}. Each opens stores of its migration or an earlier one, which it migrates.")


def _providers(release: Release) -> str:
    """Return the versions of the PostgreSQL provider in words, those with the same migration together."""
    of_migration: dict[int, list[str]] = {}
    for provider, last in release.providers.items():
        of_migration.setdefault(last, []).append(provider)
    said = (f"{', '.join(providers)}: {last}" for last, providers in of_migration.items())
    return f"; duroxide-pg {'; '.join(said)}" if of_migration else ""


def _brought(before: Writes | None, one: Writes) -> Mapping[str, list[str]]:
    """Return what a version was the first to write, kind by kind; of the first one nothing, for it would be all."""
    if before is None:
        return {}
    release = one.release
    return {
        "events": [_with_fields(kind, before.events, release.events) for kind in release.events],
        "messages": [_with_fields(kind, before.work_items, release.work_items) for kind in release.work_items],
        "failures": sorted(release.failures),
        "not read any more": sorted(release.removed),
        "columns": [*release.columns, *(f"{column} dropped" for column in release.dropped)],
        "limits": [f"{what} {number:,}" for what, number in release.limits.items()],
    }


def _with_fields(kind: str, before: Mapping[str, Shape], now: Mapping[str, Shape]) -> str:
    """Return a kind, and of one that was there before the fields that are new."""
    return (
        f"{kind} with {', '.join(name for name in now[kind] if name not in before[kind])}" if kind in before else kind
    )


def _object(one: Writes) -> dict[str, Any]:
    release = one.release
    return {
        "versions": list(release.versions),
        "packages": dict(release.packages),
        "sqlite": {"migration": one.sqlite, "opens_up_to": one.sqlite},
        "postgresql": [
            {"provider": provider, "migration": last, "opens_up_to": last}
            for provider, last in release.providers.items()
        ],
        "changes": list(release.changes),
        "events": {kind: list(shape) for kind, shape in release.events.items()},
        "work_items": {kind: list(shape) for kind, shape in release.work_items.items()},
        "failures": sorted(release.failures),
        "removed": sorted(release.removed),
        "columns": list(release.columns),
        "dropped": list(release.dropped),
        "rules": sorted(one.rules),
        "limits": dict(one.limits),
    }

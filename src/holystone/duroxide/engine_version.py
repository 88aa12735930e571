"""The engine's versions as numbers, as its events name them in duroxide_version."""

import re

EngineVersion = tuple[int, int, int]


def engine_version(duroxide_version: str) -> EngineVersion | None:
    """Return the version as numbers, without what may follow them; None where it is none."""
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", duroxide_version)
    if numbers is None:
        return None
    major, minor, patch = map(int, numbers.groups())
    return major, minor, patch


def parsed(version: str) -> EngineVersion:
    """Return a version that is known to be one as numbers."""
    found = engine_version(version)
    assert found is not None
    return found


def in_words(version: EngineVersion) -> str:
    """Return the version as the engine writes it."""
    return ".".join(map(str, version))

"""The engine's versions, as its events name them in duroxide_version, and what each changed in what is written.

Every published version of the engine's core was built and run: tests/engines keeps stores of those that differ.
"""

import re

EngineVersion = tuple[int, int, int]

NEWEST: EngineVersion = (0, 1, 32)
"""The newest version of the engine's core that is known here."""
NEWEST_IN_WORDS = ".".join(map(str, NEWEST))
REAL_IDS_IN_FAILURES: EngineVersion = (0, 1, 30)
"""From here on the OrchestrationFailed that ends an execution holds the ids of its row; before, '' and 0."""
STATUS_WITHOUT_EVENT: EngineVersion = (0, 1, 19)
"""This one sets a custom status and writes no event for it."""

GIVES_UP_IN_EVENTS: EngineVersion = (0, 1, 16)
"""From here on an execution that gives up an activity or a child says so in an event; before, the row just went."""

KEYS_IN_DELTA: EngineVersion = (0, 1, 26)
"""From here on kv_delta keeps what a running execution wrote; before, kv_store."""


def engine_version(duroxide_version: str) -> EngineVersion | None:
    """Return the version as numbers, without what may follow them; None where it is none."""
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", duroxide_version)
    if numbers is None:
        return None
    major, minor, patch = map(int, numbers.groups())
    return major, minor, patch


def is_newer(duroxide_version: str) -> bool:
    """Return whether the version is newer than all that are known here, or none that can be told."""
    version = engine_version(duroxide_version)
    return version is None or version > NEWEST

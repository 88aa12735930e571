"""What the events of an execution make of its instance's keys.

While the execution runs, what it wrote lies in kv_delta, where a key without value is one that it cleared; when it
ends, in whatever way, that is merged into kv_store. Source in microsoft/duroxide: `ack_orchestration_item` in
src/providers/sqlite.rs. Events are mappings, in the order of their ids, as `event.parse_event` returns them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

KEY_EVENTS = frozenset({"KeyValueSet", "KeyValueCleared", "KeyValuesCleared"})
"""The types of events that change keys."""


class Entry(NamedTuple):
    """A key's value, None for one that was cleared, and the time of the change in ms since the epoch."""

    value: str | None
    updated_at_ms: int


Entries = dict[str, Entry]


class Written(NamedTuple):
    """What events wrote: the keys that they name, and when they cleared all others; None where they did not."""

    entries: Entries
    all_cleared_at_ms: int | None

    def delta(self, store: Entries) -> dict[str, Entry]:
        """Return what kv_delta holds after them where it was empty, and kv_store held `store`."""
        if self.all_cleared_at_ms is None:
            return dict(self.entries)
        return {key: Entry(None, self.all_cleared_at_ms) for key in store} | self.entries


def written(events: Iterable[Mapping[str, Any]], cleared_at_ms: int | None = None) -> Written:
    """Return what the events wrote; of all clearing the time is `cleared_at_ms`, or for None the events' own.

    The engine takes the time of the ack.
    """
    entries: dict[str, Entry] = {}
    all_cleared_at_ms: int | None = None
    for event in events:
        kind = event["type"]
        if kind == "KeyValueSet":
            entries[event["key"]] = Entry(event["value"], event.get("last_updated_at_ms", 0))
        elif kind in KEY_EVENTS:
            now = event["timestamp_ms"] if cleared_at_ms is None else cleared_at_ms
            if kind == "KeyValueCleared":
                entries[event["key"]] = Entry(None, now)
            else:
                entries = dict.fromkeys(entries, Entry(None, now))
                all_cleared_at_ms = now
    return Written(entries, all_cleared_at_ms)


def merged(store: Entries, delta: Entries) -> dict[str, Entry]:
    """Return what kv_store holds once `delta` was merged into it."""
    return {key: entry for key, entry in {**store, **delta}.items() if entry.value is not None}

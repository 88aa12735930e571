"""What a published version of the engine's core can say of itself: the form in which `releases.py` describes them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holystone.duroxide.engine_version import EngineVersion, parsed
from holystone.duroxide.fields import Shape


class Rule(StrEnum):
    """A way of keeping rows that some versions have, and others have not."""

    completed_at_in_ms = "completed-at-in-ms"
    """On SQLite executions.completed_at is a number, in ms since the epoch; before, it is a text."""
    gives_up_in_events = "gives-up-in-events"
    """An execution that gives up an activity or a child says so in an event; before, the row just went."""
    pins_executions = "pins-executions"
    """The version that begins an execution stands in its row, and only versions that can replay it take it up."""
    status_without_event = "status-without-event"
    """A custom status is set in the row, and no event says so."""
    keys_in_delta = "keys-in-delta"
    """Of a running execution kv_delta keeps what it wrote; before, kv_store."""
    real_ids_in_failures = "real-ids-in-failures"
    """The OrchestrationFailed that ends an execution holds the ids of its row; before, '' and 0."""
    parents_in_full = "parents-in-full"
    """A child says which of its parent's executions asked for it, and goes on saying so when it continues as new."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a version of the engine's core changed in what is written; `versions` after the first changed nothing more.

    `events` and `work_items` are the kinds that it was the first to write, or writes with other fields than before;
    `failures` are kinds of a failure's details; `removed` are kinds of either that it, and all after it, cannot read.
    `columns` are those that it was the first to fill, each as `table.column`, and `dropped` those that went.
    `begins` and `ends` are rules; `limits` are numbers beyond which it fails an execution, or drops what is too much.
    `sqlite` is the last migration of a SQLite store; `providers` are the published versions of the PostgreSQL provider
    that were built on it, each with its last migration, and `packages` those of the Python package, in the same way;
    `package_cores` has the version of the core that is in each of these.
    """

    versions: tuple[str, ...]
    changes: tuple[str, ...]
    events: Mapping[str, Shape] = field(default_factory=dict)
    work_items: Mapping[str, Shape] = field(default_factory=dict)
    failures: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    begins: frozenset[Rule] = frozenset()
    ends: frozenset[Rule] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    sqlite: int | None = None
    providers: Mapping[str, int] = field(default_factory=dict)
    packages: Mapping[str, int] = field(default_factory=dict)
    package_cores: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> EngineVersion:
        return parsed(self.versions[0])

    @property
    def last(self) -> EngineVersion:
        return parsed(self.versions[-1])

    @property
    def in_words(self) -> str:
        """The versions, as in `0.1.2 to 0.1.4`."""
        return self.versions[0] if len(self.versions) == 1 else f"{self.versions[0]} to {self.versions[-1]}"


@dataclass(frozen=True)
class Writes:
    """All that a version of the engine writes: what those before it brought, as far as it kept that.

    `sqlite` and `postgresql` are the last migrations that it runs, of PostgreSQL those of its newest provider.
    """

    release: Release
    events: Mapping[str, Shape]
    work_items: Mapping[str, Shape]
    failures: frozenset[str]
    columns: frozenset[str]
    rules: frozenset[Rule]
    limits: Mapping[str, int] = field(hash=False)
    sqlite: int
    postgresql: int


def one_after_the_other(releases: Iterable[Release]) -> Iterator[Writes]:
    """Yield what each of the releases writes, oldest first."""
    events: dict[str, Shape] = {}
    work_items: dict[str, Shape] = {}
    limits: dict[str, int] = {}
    failures: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    rules: frozenset[Rule] = frozenset()
    sqlite = postgresql = 0
    for one in releases:
        events = {kind: shape for kind, shape in (events | dict(one.events)).items() if kind not in one.removed}
        work_items = work_items | dict(one.work_items)
        failures = (failures | one.failures) - one.removed
        columns = (columns | set(one.columns)) - set(one.dropped)
        rules = (rules | one.begins) - one.ends
        limits = limits | dict(one.limits)
        sqlite = one.sqlite or sqlite
        postgresql = max([postgresql, *one.providers.values()])
        yield Writes(one, events, work_items, failures, columns, rules, limits, sqlite, postgresql)

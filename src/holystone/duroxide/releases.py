"""The history of the engine: every published version of its core, and what each changed in what is written.

This is the one place that says which version wrote what. Readers, checks, `holystone engines` and `migrate status` draw
from it, and tests hold it against stores that each of the versions made (tests/engines). A newer version is an entry at
the end of `RELEASES`; where its schema has changed, its migration goes into the lineage of the flavour as well.

Sources in microsoft/duroxide: `EventKind` and `ErrorDetails` in src/lib.rs, `WorkItem` in src/providers/mod.rs,
src/runtime/limits.rs and migrations/; and migrations/ of microsoft/duroxide-pg. The kinds ExternalSubscribed2,
ExternalEvent2 and ExternalRaised2, which it has since 0.1.17 for its own tests of version skew, are in no release.
"""

from functools import cache

from holystone.duroxide.engine_version import EngineVersion, engine_version, in_words
from holystone.duroxide.error_details import DETAILS
from holystone.duroxide.fields import NUMBER, PAIRS, TEXT, Shape
from holystone.duroxide.release import Release, Rule, Writes, one_after_the_other

_CHILD_OF: Shape = {"parent_instance": TEXT.or_null, "parent_id": NUMBER.or_null}
_STARTED: Shape = {"name": TEXT, "version": TEXT, "input": TEXT, **_CHILD_OF}
_ACTIVITY: Shape = {"name": TEXT, "input": TEXT}
_CALLED: Shape = {"name": TEXT, "instance": TEXT, "input": TEXT}
_START: Shape = {"instance": TEXT, "orchestration": TEXT, "input": TEXT, "version": TEXT.or_null, **_CHILD_OF}
_CONTINUE: Shape = {"instance": TEXT, "orchestration": TEXT, "input": TEXT, "version": TEXT.or_null}
_EXECUTE: Shape = {"instance": TEXT, "execution_id": NUMBER, "id": NUMBER, "name": TEXT, "input": TEXT}
_ANSWER: Shape = {"instance": TEXT, "execution_id": NUMBER, "id": NUMBER}
_CHILDS: Shape = {"parent_instance": TEXT, "parent_execution_id": NUMBER, "parent_id": NUMBER}
_CARRIED: Shape = {"carry_forward_events": PAIRS.or_left_out}
_STATUS: Shape = {"initial_custom_status": TEXT.or_left_out}
_SESSION: Shape = {"session_id": TEXT.or_left_out}
_TAG: Shape = {"tag": TEXT.or_left_out}
_PARENTS_EXECUTION: Shape = {"parent_execution_id": NUMBER.or_left_out}

RELEASES: tuple[Release, ...] = (
    Release(
        versions=("0.1.0", "0.1.1"),
        changes=("the first tables", "completed_at is a text on SQLite"),
        events={
            "OrchestrationStarted": _STARTED,
            "OrchestrationCompleted": {"output": TEXT},
            "OrchestrationFailed": {"details": DETAILS},
            "OrchestrationContinuedAsNew": {"input": TEXT},
            "OrchestrationCancelRequested": {"reason": TEXT},
            "OrchestrationChained": _CALLED,
            "ActivityScheduled": _ACTIVITY,
            "ActivityCompleted": {"result": TEXT},
            "ActivityFailed": {"details": DETAILS},
            "SubOrchestrationScheduled": _CALLED,
            "SubOrchestrationCompleted": {"result": TEXT},
            "SubOrchestrationFailed": {"details": DETAILS},
            "TimerCreated": {"fire_at_ms": NUMBER},
            "TimerFired": {"fire_at_ms": NUMBER},
            "ExternalSubscribed": {"name": TEXT},
            "ExternalEvent": {"name": TEXT, "data": TEXT},
            "SystemCall": {"op": TEXT, "value": TEXT},
        },
        work_items={
            "StartOrchestration": {**_START, "execution_id": NUMBER},
            "ActivityExecute": _EXECUTE,
            "ActivityCompleted": {**_ANSWER, "result": TEXT},
            "ActivityFailed": {**_ANSWER, "details": DETAILS},
            "TimerFired": {**_ANSWER, "fire_at_ms": NUMBER},
            "ExternalRaised": {"instance": TEXT, "name": TEXT, "data": TEXT},
            "SubOrchCompleted": {**_CHILDS, "result": TEXT},
            "SubOrchFailed": {**_CHILDS, "details": DETAILS},
            "CancelInstance": {"instance": TEXT, "reason": TEXT},
            "ContinueAsNew": _CONTINUE,
        },
        failures=frozenset(
            {
                *("Infrastructure", "Configuration", "Application", "ActivityFailed", "OrchestrationFailed"),
                *("Cancelled", "Nondeterminism", "UnregisteredOrchestration", "UnregisteredActivity", "MissingVersion"),
            }
        ),
        sqlite=20240101000000,
        providers={"0.1.0": 2, "0.1.1": 2, "0.1.2": 2},
    ),
    Release(
        versions=("0.1.2", "0.1.3", "0.1.4"),
        changes=("messages count how often they were fetched", "what was fetched too often fails as poison"),
        failures=frozenset({"Poison", "Orchestration", "Activity"}),
        columns=("orchestrator_queue.attempt_count", "worker_queue.attempt_count"),
        sqlite=20240102000000,
        providers={"0.1.4": 3, "0.1.5": 4, "0.1.6": 4},
    ),
    Release(
        versions=("0.1.5", "0.1.6", "0.1.7"),
        changes=("an activity can be put off",),
        columns=("worker_queue.visible_at",),
        sqlite=20240103000000,
        providers={"0.1.7": 5, "0.1.8": 6, "0.1.9": 7},
    ),
    Release(
        versions=("0.1.8",),
        changes=("queued activities name their execution",),
        columns=("worker_queue.instance_id", "worker_queue.execution_id", "worker_queue.activity_id"),
        sqlite=20240104000000,
        providers={"0.1.10": 9},
    ),
    Release(
        versions=("0.1.9",),
        changes=("instances name their parents", "deletion and pruning", "completed_at is in ms on SQLite"),
        columns=("instances.parent_instance_id",),
        begins=frozenset({Rule.completed_at_in_ms}),
        sqlite=20240105000000,
        providers={"0.1.11": 10},
    ),
    Release(
        versions=("0.1.10", "0.1.11"),
        changes=("failures of what is not registered cannot be read any more",),
        removed=frozenset({"UnregisteredOrchestration", "UnregisteredActivity", "MissingVersion"}),
        providers={"0.1.12": 10, "0.1.13": 10},
    ),
    Release(
        versions=("0.1.14", "0.1.15"),
        changes=("the event SystemCall cannot be read any more", "replay was written anew"),
        removed=frozenset({"SystemCall"}),
        providers={"0.1.15": 10, "0.1.16": 10, "0.1.17": 11},
    ),
    Release(
        versions=("0.1.16",),
        changes=("an execution that gives up an activity or a child says so in an event",),
        events={"ActivityCancelRequested": {"reason": TEXT}, "SubOrchestrationCancelRequested": {"reason": TEXT}},
        begins=frozenset({Rule.gives_up_in_events}),
        providers={"0.1.18": 11},
    ),
    Release(
        versions=("0.1.17",),
        changes=("executions are pinned to the version that began them", "panics and unreadable histories fail so"),
        failures=frozenset({"Panicked", "FailedDeserialization"}),
        columns=tuple(f"executions.duroxide_version_{part}" for part in ("major", "minor", "patch")),
        begins=frozenset({Rule.pins_executions}),
        sqlite=20240106000000,
        providers={"0.1.19": 13},
    ),
    Release(
        versions=("0.1.18",),
        changes=("sessions",),
        events={"ActivityScheduled": {**_ACTIVITY, **_SESSION}},
        work_items={"ActivityExecute": {**_EXECUTE, **_SESSION}},
        columns=(
            *("worker_queue.session_id", "sessions.session_id", "sessions.worker_id"),
            *("sessions.locked_until", "sessions.last_activity_at"),
        ),
        sqlite=20240107000000,
        providers={"0.1.20": 14},
    ),
    Release(
        versions=("0.1.19",),
        changes=("queues of events", "custom status, of which no event tells", "subscriptions are given up in events"),
        events={
            "OrchestrationStarted": {**_STARTED, **_CARRIED},
            "ExternalSubscribedCancelled": {"reason": TEXT},
            "ExternalSubscribedPersistent": {"name": TEXT},
            "ExternalEventPersistent": {"name": TEXT, "data": TEXT},
            "ExternalSubscribedPersistentCancelled": {"reason": TEXT},
        },
        work_items={
            "ContinueAsNew": {**_CONTINUE, "carry_forward_events": PAIRS.or_else([])},
            "QueueMessage": {"instance": TEXT, "name": TEXT, "data": TEXT},
        },
        columns=("instances.custom_status", "instances.custom_status_version"),
        begins=frozenset({Rule.status_without_event}),
        limits={"carried forward events": 20, "bytes of a custom status": 256 * 1024},
        sqlite=20240108000000,
        providers={"0.1.21": 15},
    ),
    Release(
        versions=("0.1.20", "0.1.21"),
        changes=("events tell of the custom status",),
        events={
            "OrchestrationStarted": {**_STARTED, **_CARRIED, **_STATUS},
            "CustomStatusUpdated": {"status": TEXT.or_null},
        },
        work_items={"ContinueAsNew": {**_CONTINUE, "carry_forward_events": PAIRS.or_else([]), **_STATUS}},
        ends=frozenset({Rule.status_without_event}),
        providers={"0.1.22": 15, "0.1.23": 15},
    ),
    Release(
        versions=("0.1.22", "0.1.23"),
        changes=("activities with tags",),
        events={"ActivityScheduled": {**_ACTIVITY, **_SESSION, **_TAG}},
        work_items={"ActivityExecute": {**_EXECUTE, **_SESSION, **_TAG}},
        columns=("worker_queue.tag",),
        limits={"tags of a worker": 5, "bytes of a tag": 256},
        sqlite=20240109000000,
        providers={"0.1.24": 17},
    ),
    Release(
        versions=("0.1.24",),
        changes=("key-value store",),
        events={
            "KeyValueSet": {"key": TEXT, "value": TEXT},
            "KeyValueCleared": {"key": TEXT},
            "KeyValuesCleared": {},
        },
        columns=tuple(f"kv_store.{name}" for name in ("instance_id", "key", "value", "execution_id")),
        limits={"keys": 10, "bytes of a key's value": 16 * 1024},
        sqlite=20240110000000,
        providers={"0.1.25": 18},
    ),
    Release(
        versions=("0.1.25",),
        changes=("keys tell when they were set",),
        events={"KeyValueSet": {"key": TEXT, "value": TEXT, "last_updated_at_ms": NUMBER.or_else(0)}},
        columns=("kv_store.last_updated_at_ms",),
        limits={"keys": 100},
        sqlite=20240111000000,
        providers={"0.1.26": 19},
    ),
    Release(
        versions=("0.1.26",),
        changes=("keys of a running execution are kept apart, in kv_delta",),
        columns=tuple(f"kv_delta.{name}" for name in ("instance_id", "key", "value", "last_updated_at_ms")),
        dropped=("kv_store.execution_id",),
        begins=frozenset({Rule.keys_in_delta}),
        sqlite=20240112000000,
        providers={"0.1.27": 20},
    ),
    Release(
        versions=("0.1.27", "0.1.28", "0.1.29"),
        changes=("higher limits",),
        limits={"carried forward events": 100, "keys": 150, "bytes of a key's value": 64 * 1024},
        providers={"0.1.28": 21, "0.1.29": 21, "0.1.30": 21, "0.1.32": 21, "0.1.33": 21, "0.1.34": 21},
    ),
    Release(
        versions=("0.1.30", "0.1.32"),
        changes=("children name their parent's execution", "failures hold the ids of their row"),
        events={"OrchestrationStarted": {**_STARTED, **_PARENTS_EXECUTION, **_CARRIED, **_STATUS}},
        work_items={
            "StartOrchestration": {**_START, **_PARENTS_EXECUTION, "execution_id": NUMBER},
            "ContinueAsNew": {
                **_CONTINUE,
                "parent_instance": TEXT.or_left_out,
                "parent_id": NUMBER.or_left_out,
                **_PARENTS_EXECUTION,
                "carry_forward_events": PAIRS.or_else([]),
                **_STATUS,
            },
        },
        begins=frozenset({Rule.real_ids_in_failures, Rule.parents_in_full}),
        providers={"0.1.35": 23, "0.1.36": 25, "0.1.37": 25, "0.1.38": 26},
        packages={"0.1.28": 23, "0.2.0": 23, "0.2.1": 25, "0.2.2": 25},
        package_cores={"0.1.28": "0.1.30", "0.2.0": "0.1.30", "0.2.1": "0.1.32", "0.2.2": "0.1.32"},
    ),
)
"""Oldest first. 0.1.12 and 0.1.13 were withdrawn, 0.1.31 was never published."""

WRITES: tuple[Writes, ...] = tuple(one_after_the_other(RELEASES))
"""What each of the releases writes."""
NEWEST_WRITES = WRITES[-1]
NEWEST: EngineVersion = RELEASES[-1].last
"""The newest version of the engine's core that is known here."""
NEWEST_IN_WORDS = in_words(NEWEST)
POSTGRESQL_OF_PACKAGE: int = list(RELEASES[-1].packages.values())[-1]
"""The last migration of a PostgreSQL store that the newest Python package of the engine knows; Rust may know more."""
REFUSES_NEWER: EngineVersion = (0, 1, 34)
"""The first version of the PostgreSQL provider that does not open a store with migrations that it does not know."""
REMOVED = frozenset[str]().union(*(release.removed for release in RELEASES))
"""The kinds of events and of failures that older engines wrote, and later ones cannot read."""
LAST_REMOVAL: EngineVersion = next(release.first for release in reversed(RELEASES) if release.removed)
"""The version since which all of these are gone."""


def writes(version: EngineVersion | None) -> Writes:
    """Return what a version of the engine writes.

    A newer one than all that are known here is taken for the newest, and so is None, a version that cannot be told.
    """
    if version is None:
        return NEWEST_WRITES
    return next((one for one in reversed(WRITES) if one.release.first <= version), WRITES[0])


def keeps(duroxide_version: str, rule: Rule) -> bool:
    """Return whether the version that an event names keeps to a rule."""
    return rule in writes(engine_version(duroxide_version)).rules


@cache
def since(rule: Rule) -> EngineVersion:
    """Return the version with which a rule began."""
    return next(release.first for release in RELEASES if rule in release.begins)


def removed_in(kind: str) -> EngineVersion | None:
    """Return the version since which a kind of event or of failure cannot be read any more, None for all others."""
    return next((release.first for release in RELEASES if kind in release.removed), None)


def first_to_fill(column: str) -> EngineVersion:
    """Return the version that was the first to fill a column, named as `table.column`."""
    return next((release.first for release in RELEASES if column in release.columns), RELEASES[0].first)


def is_newer(duroxide_version: str) -> bool:
    """Return whether the version is newer than all that are known here, or none that can be told."""
    version = engine_version(duroxide_version)
    return version is None or version > NEWEST


def of_sqlite(migration: int) -> tuple[Release, ...]:
    """Return the releases whose last migration of a SQLite store is this one; none where it is unknown."""
    return tuple(one.release for one in WRITES if one.sqlite == migration)


def of_postgresql(migration: int) -> dict[str, Release]:
    """Return the versions of the PostgreSQL provider whose last migration is this one, each with its release."""
    return {
        provider: release for release in RELEASES for provider, last in release.providers.items() if last == migration
    }

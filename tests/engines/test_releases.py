"""What the description of the engine's history says of a version is what stores of that version hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, Table, func, select

from conftest import SQLITE_AND_LONG_POSTGRESQL
from engines.conftest import Opened
from engines.published import PATHS, VERSIONS, PublishedStore
from holystone.duroxide import releases
from holystone.duroxide.engine_version import engine_version, parsed
from holystone.duroxide.event_types import STATUSES
from holystone.duroxide.fields import Shape
from holystone.duroxide.release import Writes
from holystone.duroxide.tables import executions, history, orchestrator_queue, worker_queue
from holystone.flavours.postgresql.lineage import LINEAGE as POSTGRESQL
from holystone.flavours.sqlite.lineage import LINEAGE as SQLITE
from holystone.store import Store

DRIVER = Path(__file__).parent / "driver"

UNSEEN: Mapping[str, str] = {
    "Infrastructure": "the engine writes it where its database fails, which no store here did",
    "MissingVersion": "no code of any published version makes one",
}
"""What the description names and no store shows, and why."""


def events_of(store: Store) -> Iterator[dict[str, Any]]:
    with store.snapshot() as connection:
        texts = connection.execute(select(history.c.event_data)).scalars().all()
    return (json.loads(text) for text in texts)


def messages_of(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    with store.snapshot() as connection:
        for queue in (orchestrator_queue, worker_queue):
            for text in connection.execute(select(queue.c.work_item)).scalars().all():
                ((kind, fields),) = json.loads(text).items()
                yield kind, fields


def kinds_of_failure(details: Any) -> Iterator[str]:
    """The variants that the details of a failure name, at whatever depth."""
    if details is not None:
        ((kind, content),) = details.items()
        yield kind
        inner = content.get("kind", content.get("message_type"))
        if inner is not None:
            yield inner if isinstance(inner, str) else next(iter(inner))


def wrong_fields(shape: Shape, fields: Mapping[str, Any]) -> set[str]:
    """Fields that the shape does not know, and those that it says are written and are not."""
    written = {name for name, field in shape.items() if field.required or not field.left_out}
    return (fields.keys() - shape.keys()) | (written - fields.keys())


COMMON = {"event_id", "source_event_id", "instance_id", "execution_id", "timestamp_ms", "duroxide_version", "type"}


def test_each_event_and_message_is_described(published: PublishedStore, store: Store) -> None:
    newest = releases.writes(parsed(published.path.split("-")[-1]))
    wrong: set[tuple[str, str]] = set()
    for event in events_of(store):
        by = releases.writes(engine_version(event["duroxide_version"]))
        fields = {name: value for name, value in event.items() if name not in COMMON}
        if event["type"] not in by.events:
            wrong.add((event["duroxide_version"], event["type"]))
        else:
            wrong |= {(event["type"], name) for name in wrong_fields(by.events[event["type"]], fields)}
        wrong |= {(event["type"], kind) for kind in kinds_of_failure(event.get("details")) if kind not in by.failures}
    for kind, fields in messages_of(store):
        # What a message has more than the version that made it wrote, was never there.
        wrong |= {(kind, name) for name in fields.keys() - newest.work_items[kind].keys()}
    assert wrong == set()


def test_each_status_is_one_of_four(store: Store) -> None:
    with store.snapshot() as connection:
        assert set(connection.execute(select(executions.c.status).distinct()).scalars()) <= set(STATUSES)


def provider(core: str) -> str:
    """The version of the PostgreSQL provider that the driver of a core is built with."""
    manifest = (DRIVER / core / "Cargo.toml").read_text(encoding="utf-8")
    line = next(line for line in manifest.splitlines() if line.startswith("duroxide-pg "))
    return line.split('"')[1].lstrip("=")


def test_the_ledger_ends_as_described(published: PublishedStore, store: Store) -> None:
    core = published.path.split("-")[-1]
    described = releases.writes(parsed(core))
    last = described.sqlite
    if published.flavour == "postgresql":
        last = described.release.providers[provider(core)]
    assert store.engine_migration == str(last)


def base(flavour: str) -> set[str]:
    lineage = SQLITE if flavour == "sqlite" else POSTGRESQL
    there = {name.removeprefix("column ") for name in lineage.levels[0].facts if name.startswith("column ")}
    # PostgreSQL's first migration was edited later: what a release brought was not there before it.
    return there - {column for one in releases.RELEASES for column in one.columns}


def described_columns(described: Writes, flavour: str) -> set[str]:
    columns = base(flavour) | described.columns
    if flavour == "postgresql" and "kv_store.key" in columns:
        columns |= {"kv_store.execution_id"}  # SQLite alone has dropped it
    return columns


def test_columns_are_those_described(published: PublishedStore, store: Store) -> None:
    core = published.path.split("-")[-1]
    tables = (SQLITE if published.flavour == "sqlite" else POSTGRESQL).tables
    found = {f"{table}.{name}" for table, names in store.columns.items() if table in tables for name in names}
    assert found == described_columns(releases.writes(parsed(core)), published.flavour)


def filled(store: Store) -> set[str]:
    """The columns in which some row has a value."""
    full = set()
    with store.snapshot() as connection:
        for table, names in store.columns.items():
            if table.startswith(("holystone_", "_")):
                continue
            of = Table(table, MetaData(), schema=store.target.schema, autoload_with=connection)
            counts = connection.execute(select(*(func.count(of.c[name]).label(name) for name in names))).one()
            full |= {f"{table}.{name}" for name, count in counts._mapping.items() if count}
    return full


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_nothing_is_described_that_no_store_shows(flavour: str, opened: Opened) -> None:
    shown: set[str] = set()
    for path in PATHS:
        store = opened(PublishedStore(path, flavour))
        for event in events_of(store):
            shown |= {event["type"], *kinds_of_failure(event.get("details"))}
        shown |= {f"message {kind}" for kind, _ in messages_of(store)} | filled(store)
    described = {
        *(kind for one in releases.RELEASES for kind in (*one.events, *one.failures)),
        *(f"message {kind}" for one in releases.RELEASES for kind in one.work_items),
        *(column for one in releases.RELEASES for column in one.columns),
    }
    assert described - shown == UNSEEN.keys()


@pytest.mark.parametrize("number", range(len(releases.WRITES)))
def test_a_release_without_a_store_of_its_own_writes_what_its_neighbours_do(number: int) -> None:
    """Their stores stand for its own, alone and in each pair: it has no form of anything that neither of them has."""
    kept = [one for one in releases.WRITES if set(one.release.versions) & set(VERSIONS)]
    one = releases.WRITES[number]
    before = next((each for each in reversed(kept) if each.release.first <= one.release.first), one)
    after = next(each for each in kept if each.release.first >= one.release.first)
    for of, of_before, of_after in (
        (one.events, before.events, after.events),
        (one.work_items, before.work_items, after.work_items),
    ):
        assert all(shape in (of_before.get(kind), of_after.get(kind)) for kind, shape in of.items())
    assert before.failures & after.failures <= one.failures <= before.failures | after.failures
    assert before.columns & after.columns <= one.columns <= before.columns | after.columns
    assert before.rules & after.rules <= one.rules <= before.rules | after.rules


def test_each_migration_is_of_a_release() -> None:
    assert {one.sqlite for one in releases.WRITES} == set(SQLITE.versions)
    last = {number for one in releases.RELEASES for number in one.providers.values()}
    assert last <= set(POSTGRESQL.versions)
    assert max(last) == POSTGRESQL.versions[-1]


def test_columns_are_first_filled_where_their_migration_is() -> None:
    of_migration = {level.version: level.facts for level in SQLITE.levels}
    for one in releases.WRITES:
        columns = {name.removeprefix("column ") for name in of_migration[one.sqlite] if name.startswith("column ")}
        assert columns - base("sqlite") == one.columns


def test_versions_are_in_order_and_once() -> None:
    versions = [parsed(version) for one in releases.RELEASES for version in one.versions]
    assert versions == sorted(set(versions))
    providers = [parsed(version) for one in releases.RELEASES for version in one.providers]
    assert providers == sorted(set(providers))


@pytest.mark.parametrize(
    ("version", "first"), [("0.1.13", "0.1.10"), ("0.1.31", "0.1.30"), ("0.1.33", "0.1.30"), ("1.0.0", "0.1.30")]
)
def test_of_a_version_between_or_beyond_the_one_before_it_tells(version: str, first: str) -> None:
    assert releases.writes(parsed(version)).release.versions[0] == first

"""The word of `--against` is what the real engine then did, for each pair of published versions.

`engines/pairs.py` let each version open the store of each, and go on with it; `pairs.json` says what became of it.
"""

from __future__ import annotations

import pytest

from conftest import SQLITE_AND_LONG_POSTGRESQL
from engines.conftest import SAMPLE, Opened
from engines.pairs import Met, met
from engines.published import FLAVOURS, VERSIONS, PublishedStore
from engines.test_releases import provider
from holystone import api
from holystone.gate.model import GateReport
from holystone.scan.catalogue import Selection
from holystone.scan.check import Severity
from holystone.store import Store

UNDRIFTED = Selection(select=["E001"])
"""Drift is the matter of other tests: the least of it that can be asked for."""
EACH = [
    pytest.param(
        PublishedStore(version, flavour),
        id=f"{version}-{flavour}",
        marks=[pytest.mark.long] if flavour == "postgresql" else [] if version in SAMPLE else [pytest.mark.slow],
    )
    for version in VERSIONS
    for flavour in FLAVOURS
]


def gate(store: Store, published: PublishedStore, version: str) -> GateReport:
    against = f"core:{version}" if published.flavour == "sqlite" else f"provider:{provider(version)}"
    return api.gate(store, against=against, selection=UNDRIFTED)


def found(report: GateReport) -> dict[str, list[str]]:
    """Rule -> what it found, of those that are about the version."""
    return {one.id: one.found for one in report.rules if one.id in ("G004", "G005", "G006") and one.found}


def worse(published: PublishedStore, version: str) -> dict[str, str]:
    """The instances that fared otherwise with a version than with the one that made the store, each with its state.

    What still ran there had not come to the end that it has here.
    """
    own = met()[published.path, published.path, published.flavour].live
    other = met()[published.path, version, published.flavour].live
    return {
        instance: state
        for instance, state in other.items()
        if state != own[instance] and not (own[instance] == "Running" and state in ("Completed", "Failed"))
    }


@pytest.mark.parametrize("published", EACH)
def test_it_agrees_with_the_engine(published: PublishedStore, opened: Opened) -> None:
    store = opened(published)
    for version in VERSIONS:
        report = gate(store, published, version)
        deployment, refusals = report.deployment, found(report)
        assert deployment is not None
        engine: Met = met()[published.path, version, published.flavour]
        pair = f"{published.path} opened by {version}"
        assert report.verdict == ("refused" if refusals else "pass"), pair
        # It says which engine does not open the store, and why.
        does_not_open = "does not open it" in " ".join(refusals.get("G004", []))
        assert does_not_open == (engine.refused is not None), pair
        if does_not_open:
            why = "kv_store.execution_id" if published.flavour == "sqlite" else "it knows none of the migrations"
            assert why in refusals["G004"][0], pair
            assert ("no such column: execution_id" in str(engine.refused)) == (published.flavour == "sqlite"), pair
            continue
        # Where it passes, each instance goes on as with its own engine; where it refuses a newer one, one does not.
        if not refusals:
            assert worse(published, version) == {}, pair
            assert deployment.opens, pair
        if VERSIONS.index(version) > VERSIONS.index(published.path):
            assert bool(refusals) == bool(worse(published, version)), (pair, refusals)
            assert "G004" not in refusals, pair
        elif version != published.path:
            assert refusals, pair
        else:
            assert (refusals, deployment.migrations) == ({}, []), pair
            assert deployment.old_engine_may_run, pair
        if published.flavour == "postgresql" and not deployment.opens:
            # With most versions nothing goes on there.
            continue
        for sentence in refusals.get("G006", []):
            assert any(instance in sentence for instance in worse(published, version)), (pair, sentence)


@pytest.mark.parametrize("published", EACH)
def test_the_migrations_are_those_that_the_engine_ran(published: PublishedStore, opened: Opened) -> None:
    store = opened(published)
    if published.path == VERSIONS[-1]:
        return
    newest = f"{published.path}-{VERSIONS[-1]}"
    upgraded = (
        opened(PublishedStore(newest, published.flavour))
        if published.path != VERSIONS[-2]
        else opened(PublishedStore(f"{VERSIONS[-2]}-{VERSIONS[-1]}", published.flavour))
    )
    report = gate(store, published, VERSIONS[-1])
    assert report.deployment is not None
    with upgraded.snapshot() as connection:
        entries = upgraded.flavour.structure.ledger(connection) or ()
    ran = [entry.version for entry in entries if entry.version > int(store.engine_migration or 0)]
    assert [one.version for one in report.deployment.migrations] == ran
    # What they are said to add is what is there now and was not.
    added = {
        f"{change.table}.{what.removeprefix('adds column ')}"
        for one in report.deployment.migrations
        for change in one.changes
        for what in change.what.split("; ")
        if what.startswith("adds column ")
    }
    before = {f"{table}.{name}" for table, names in store.columns.items() for name in names}
    after = {f"{table}.{name}" for table, names in upgraded.columns.items() for name in names}
    new_tables = upgraded.columns.keys() - store.columns.keys()
    assert {one for one in after - before if one.partition(".")[0] not in new_tables} == {
        one for one in added if one in after and one.partition(".")[0] not in new_tables
    }
    assert report.deployment.old_engine_may_run == (not ran and published.flavour == "sqlite" and not added)


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_that_the_old_engine_has_to_stop_refuses_where_warnings_do(flavour: str, opened: Opened) -> None:
    published = PublishedStore("0.1.24", flavour)
    store = opened(published)
    against = "core:0.1.32" if flavour == "sqlite" else "provider:0.1.38"
    noted = api.gate(store, against=against, selection=UNDRIFTED)
    assert (noted.verdict, {one.id for one in noted.rules if one.outcome == "noted"}) == ("pass", {"G007"})
    refused = api.gate(store, against=against, selection=UNDRIFTED, refuse_from=Severity.warning)
    assert (refused.verdict, {one.id for one in refused.rules if one.outcome == "refused"}) == ("refused", {"G007"})
    assert refused.deployment is not None
    of_keys = [change for one in refused.deployment.migrations for change in one.changes if change.table == "kv_store"]
    # SQLite writes kv_store anew for the column that goes; PostgreSQL keeps that column.
    assert any(change.rows > 0 and "drops column execution_id" in change.what for change in of_keys) == (
        flavour == "sqlite"
    )
    assert any("it writes kv_store.execution_id, which goes" in one for one in refused.deployment.because) == (
        flavour == "sqlite"
    )

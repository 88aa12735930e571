"""Stores that published versions of the engine made, and nobody touched, are clean at every level."""

from __future__ import annotations

from engines.published import PublishedStore
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level, Severity
from holystone.scan.scan import Outcome, Scan
from holystone.store import Store
from holystone.store.tables import executions

Found = set[tuple[str, str | None, str | None]]
"""Check, instance and cause of what a scan found."""

FAULTS_OF_THE_ENGINE: dict[str, Found] = {}
"""Core -> what its stores are rightly told of: faults that the engine itself makes."""


def found_in(store: Store) -> Found:
    """What a scan at the deepest level finds that is more than a remark; every check has to be able to run."""
    scan = Scan(store, select_checks(Level.deep), level=Level.deep)
    found = {
        (finding.check.id, finding.instance_id, finding.cause)
        for finding in scan
        if finding.check.severity > Severity.info
    }
    assert [result for result in scan.results.values() if result.outcome is Outcome.failed] == []
    return found


def test_it_is_clean_at_every_level(published: PublishedStore, store: Store) -> None:
    assert found_in(store) == FAULTS_OF_THE_ENGINE.get(published.core, set())


def test_it_holds_every_state(published: PublishedStore, store: Store) -> None:
    told = {instance for instance, state in published.states.items() if state != "NotStarted"}
    with store.snapshot() as connection:
        there = set(connection.execute(executions.select().with_only_columns(executions.c.instance_id)).scalars())
    assert told <= there

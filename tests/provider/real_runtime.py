"""The engine's runtime on holystone's store: run by `tox -e provider`, for it takes cargo and some minutes."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import pytest

import holystone
from provider.conftest import MakePlace, Serve
from provider.places import Driver, Place

OF_EACH = 9
"""How many instances there are of each kind: more than 500 in all."""
AT_LEAST = 500
OF_CHANCE = frozenset({"queue-chain", "chain-told", "cancelled-at-once", "child-dropped"})
"""Kinds whose messages may come one by one or several at once, or after the end: their histories depend on it."""
_SECONDS = 900

Told = dict[str, Any]
"""Instance -> what the engine tells of it."""


def run(driver: Driver, dispatchers: int, *target: str, what: str = "run") -> Told:
    done = driver.run(what, str(OF_EACH), str(dispatchers), *target, seconds=_SECONDS)
    assert done.returncode == 0, done.stderr
    assert "has not ended" not in done.stderr, done.stderr
    told: Told = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="session")
def on_its_own(driver: Driver, new_place: MakePlace) -> tuple[Place, Told]:
    """What the engine tells where it keeps its store itself.

    With one dispatcher: on SQLite, several fail instances of each other with "database is locked".
    """
    place = new_place("its_own")
    return place, run(driver, 1, *place.words)


@pytest.mark.timeout(2 * _SECONDS)
def test_orchestrations_end_as_on_the_engines_own_store(
    on_its_own: tuple[Place, Told], driver: Driver, place: Place, serve: Serve
) -> None:
    held = serve()
    told = run(driver, 4, f"socket:{held.socket}")
    assert held.complaints == ""
    own, expected = on_its_own
    assert len(told) >= AT_LEAST
    assert told.keys() == expected.keys()
    differences = {
        instance: (told[instance], expected[instance])
        for instance in expected
        if ended(instance, told[instance]) != ended(instance, expected[instance])
    }
    assert differences == {}
    assert found(place) == found(own)


@pytest.mark.timeout(2 * _SECONDS)
def test_children_that_are_never_started_stop_nobody(driver: Driver, place: Place, serve: Serve) -> None:
    """On its own SQLite store the engine halts for good: it cancels them, who are not there."""
    held, before = serve(), found(place)
    told = run(driver, 4, f"socket:{held.socket}", what="forget")
    assert held.complaints == ""
    outcomes: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for instance, one in told.items():
        outcomes[instance.rpartition("-")[0]].add((one["status"], one["output"]))
    steps = {("Completed", output) for output in ("00", "1111", "22222222", "3333333333333333")}
    assert outcomes["beside"] == steps
    assert outcomes["stranger"] == {("Completed", "gone")}
    dropped = ("Failed", "canceled: parent dropped sub-orchestration future")  # the child that had been started
    assert outcomes["forgets-child"] == {("Completed", "ended"), ("Failed", "failed"), dropped}
    # Where the parent has had a turn before, there is a child, which is cancelled with it.
    cancelled = {("Failed", "canceled: not wanted"), ("Failed", "canceled: parent canceled")}
    assert ("Failed", "canceled: not wanted") in outcomes["parent-cancelled-at-once"] <= cancelled
    assert found(place) == before


def ended(instance: str, told: Told) -> Told:
    """Return what does not depend on what came first: of the events how many there are of each type, at most."""
    by_chance = instance.rpartition("-")[0] in OF_CHANCE
    executions = {
        number: {**execution, "events": None if by_chance else Counter(execution["events"])}
        for number, execution in told["executions"].items()
    }
    return {**told, "executions": executions, "events": None if by_chance else told["events"]}


def found(place: Place) -> set[tuple[str, str]]:
    """Return what the catalogue finds, as check and instance."""
    report = holystone.check(place.target, schema=place.schema, level="deep")
    assert report.verdict != "incomplete"
    return {(finding.check, finding.instance_id or "") for finding in report.findings}

"""The real engine takes a store that holystone made for its own, and works on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ENGINES, NEWEST_AND_LONG_OLDER, EngineStore, available, one_and_long
from engine.test_untouched import findings
from holystone.cli.main import run
from holystone.demo.story import build
from holystone.migrate import downgrade
from holystone.store import Store

from .conftest import Lineage
from .structure import facts, ledger, structure

pytestmark = pytest.mark.slow


WORK = "chains,parents,timers,key-values,completed"


def opened_by(version: str, path: Path) -> EngineStore:
    available(version)
    return EngineStore(str(path), None, version, "sqlite", {})


@pytest.mark.parametrize("version", ENGINES)
def test_the_engine_works_on_a_new_store(made: Store, path: Path, version: str) -> None:
    store = opened_by(version, path)
    entries, shape = ledger(path), structure(path)
    assert store.admin("metrics")["total_instances"] == 0
    assert ledger(path) == entries
    expected = store.run("workload", "--only", WORK)
    assert len(expected) > 10
    assert ledger(path) == entries
    assert structure(path) == shape
    assert store.admin("metrics")["total_instances"] == len(expected)
    statuses = {instance: one["status"] for instance, one in store.admin("instances").items()}
    assert statuses == {instance: one["status"] for instance, one in expected.items()}
    assert findings(store) == []
    assert run(["check", str(path), "--level", "deep"]) == 0
    assert run(["migrate", "upgrade", str(path)]) == 0
    assert Store.open(str(path), read_only=True).identity == made.identity


@pytest.mark.parametrize("version", NEWEST_AND_LONG_OLDER)
@pytest.mark.parametrize("number", one_and_long([1, 5, 9, 11]))
def test_the_engine_migrates_on_from_an_older_revision(
    made: Store, path: Path, version: str, number: int, lineage: Lineage
) -> None:
    downgrade(made, f"s{number:04}")
    entries = ledger(path)
    store = opened_by(version, path)
    store.run("create")
    assert ledger(path)[:number] == entries
    assert facts(ledger(path)) == facts(ledger(lineage[12]))
    assert structure(path) == structure(lineage[12])
    store.run("workload", "--only", "completed")
    assert findings(store) == []


@pytest.mark.parametrize("version", ENGINES)
def test_the_engine_works_on_the_demonstration(path: Path, version: str) -> None:
    build(path)
    store = opened_by(version, path)
    entries = ledger(path)
    assert sorted(store.admin("list-by-status", "Running")) == ["meter-42", "order-8"]
    assert len(store.admin("list-by-status", "Completed")) == 5
    store.run("workload", "--only", "completed")
    assert ledger(path) == entries
    assert findings(store) == []

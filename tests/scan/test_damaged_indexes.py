"""An index that does not show its table as it is: named by a deep check, and nothing that rests on it is repaired."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from conftest import ENGINES, EngineStore, MakeStore
from contents import contents
from damaged_index import HISTORY_INDEX, entries, let_entry_name, let_index_show, said_by_sqlite
from holystone.mend.apply import apply_plan
from holystone.mend.plan import make_plan
from holystone.migrate import upgrade
from holystone.scan import long_texts
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.finding import Finding
from holystone.scan.result import Outcome, Verdict
from holystone.scan.scan import Scan
from holystone.store import Store

OF = "instance_id = 'waiting'"
SHOWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "an execution that does not exist": (HISTORY_INDEX, (f"UPDATE history SET execution_id = 2 WHERE {OF}",)),
    "an event that does not exist": (HISTORY_INDEX, (f"UPDATE history SET event_id = 7 WHERE {OF} AND event_id = 2",)),
    "an instance that does not exist": (HISTORY_INDEX, (f"UPDATE history SET instance_id = 'nobody' WHERE {OF}",)),
    "no event": (HISTORY_INDEX, ("DELETE FROM history WHERE event_id = 2",)),
    "no execution": ("sqlite_autoindex_executions_1", (f"DELETE FROM executions WHERE {OF}",)),
    "another row of executions": (
        "sqlite_autoindex_executions_1",
        (f"UPDATE executions SET execution_id = 2 WHERE {OF}",),
    ),
    "no instance": ("sqlite_autoindex_instances_1", ("PRAGMA foreign_keys = OFF", f"DELETE FROM instances WHERE {OF}")),
    "another instance": (
        "sqlite_autoindex_instances_1",
        ("PRAGMA foreign_keys = OFF", f"UPDATE instances SET instance_id = 'nobody' WHERE {OF}"),
    ),
}
"""What an index shows, the index, and statements after which it would."""


def scanned(store: EngineStore) -> tuple[Scan, list[Finding]]:
    scan = Scan(Store.open(store.target, read_only=True), select_checks(Level.deep), level=Level.deep)
    return scan, list(scan)


def damaged(found: list[Finding]) -> set[object]:
    """Return what S009 names."""
    return {finding.observed["damaged"] for finding in found if finding.check.id == "S009"}


@pytest.fixture
def waiting(engine_store: MakeStore) -> EngineStore:
    made = engine_store(ENGINES[-1], "sqlite", ["waiting"])
    with closing(Store.open(made.target)) as store:
        upgrade(store)
    return made


@pytest.mark.parametrize("shown", SHOWN)
def test_it_is_named_and_nothing_is_repaired(waiting: EngineStore, shown: str) -> None:
    index, statements = SHOWN[shown]
    let_index_show(waiting.target, index, *statements)
    assert said_by_sqlite(waiting.target)
    scan, found = scanned(waiting)
    assert scan.verdict is not Verdict.clean
    assert [result.reason for result in scan.results.values() if result.outcome is Outcome.failed] == []
    assert f"index {index}" in damaged(found)
    before = contents(waiting)
    store = Store.open(waiting.target)
    plan = make_plan(store, select_checks(Level.deep))
    assert [change for change in plan.changes if change.safety == "safe"] == []
    assert all(f"The index {index} does not show" in str(change.unsafe_because) for change in plan.changes)
    assert apply_plan(store, plan).run is None
    assert contents(waiting) == before


def test_rows_that_are_there_twice_are_no_clean_store(waiting: EngineStore) -> None:
    """The index that would keep the second row out does not show the first one."""
    let_index_show(waiting.target, HISTORY_INDEX, f"DELETE FROM history WHERE {OF}")
    waiting.execute(f"INSERT INTO history SELECT * FROM history NOT INDEXED WHERE {OF}")
    ((twice,),) = waiting.execute(f"SELECT count(*) FROM history NOT INDEXED WHERE {OF} AND event_id = 2")
    assert twice == 2
    _, found = scanned(waiting)
    assert f"index {HISTORY_INDEX}" in damaged(found)


ID = b"waiting-after-work"
OTHERS = {"before": b"aaiting-after-work", "after": b"zaiting-after-work"}


@pytest.mark.parametrize("place", OTHERS)
@pytest.mark.parametrize("number", range(1, 7))
def test_an_entry_out_of_order_ends_no_check(
    waiting: EngineStore, monkeypatch: pytest.MonkeyPatch, number: int, place: str
) -> None:
    """A scan of the index finds other events of an execution than a search in it, as the events read apart are read."""
    monkeypatch.setattr(long_texts, "LONG", 195)
    monkeypatch.setattr("holystone.store.open_store._PREPARED", {})
    let_entry_name(waiting.target, HISTORY_INDEX, number, ID, OTHERS[place])
    scan, found = scanned(waiting)
    assert [result.reason for result in scan.results.values() if result.outcome is Outcome.failed] == []
    assert f"index {HISTORY_INDEX}" in damaged(found)
    plan = make_plan(Store.open(waiting.target), select_checks(Level.deep))
    assert [change for change in plan.changes if change.safety == "safe"] == []


SEED, FLIPS = 7, 60


@pytest.mark.long
def test_no_flipped_bit_of_an_index_is_clean(waiting: EngineStore) -> None:
    chance = random.Random(SEED)
    whole = Path(waiting.target).read_bytes()
    indexes = ("history_1", "executions_1", "instances_1")
    places = [place for index in indexes for place in entries(waiting.target, f"sqlite_autoindex_{index}")]
    faulty = []
    for _ in range(FLIPS):
        place, bit = chance.choice(places), 1 << chance.randrange(8)
        Path(waiting.target).write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        if said := said_by_sqlite(waiting.target):
            scan, found = scanned(waiting)
            faulty.append((place, bit, said[0], scan.verdict, damaged(found)))
    assert len(faulty) > FLIPS // 2
    assert [one for one in faulty if one[3] is Verdict.clean or not one[4]] == []

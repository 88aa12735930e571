"""Ids that are not UTF-8, as an edit by hand may leave in a SQLite file: a check goes on without what needs them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from conftest import ENGINES, EngineStore, MakeStore
from holystone.duroxide.tables import history, instances
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.key_ranges import KeyRange
from holystone.scan.pushdown import rebind
from holystone.scan.range_bounds import range_bounds
from holystone.scan.reader import Reader
from holystone.scan.result import Outcome, Verdict
from holystone.scan.scan import Scan
from holystone.store import Store


@pytest.fixture
def damaged(engine_store: MakeStore) -> EngineStore:
    """A store of which all instances but two, running ones among them, have such an id."""
    made = engine_store(ENGINES[-1], "sqlite", ["completed", "chains", "waiting"])
    ((limit,),) = made.execute("SELECT instance_id FROM instances ORDER BY 1 LIMIT 1 OFFSET 2")
    for table in ("instances", "executions", "history"):
        made.execute(
            f"UPDATE {table} SET instance_id = CAST(x'ff' || instance_id AS TEXT) WHERE instance_id >= ?", limit
        )
    return made


def test_they_bound_no_span(damaged: EngineStore) -> None:
    """SQLite is never asked with them, so all of them are in the range without an end."""
    store = Store.open(damaged.target, damaged.schema, read_only=True)
    of = instances.c.instance_id
    with store.snapshot() as connection:
        last = connection.execute(select(of).order_by(of).offset(1).limit(1)).scalar_one()
        assert list(range_bounds(Reader(store, connection), of, 1)) == [last]
        key_ranges = [KeyRange(None, last), KeyRange(last, None)]
        narrowed = [rebind(of, history.c.instance_id, key_range.conditions(store.flavour)) for key_range in key_ranges]
        count = select(func.count()).select_from(instances)
        every = connection.execute(count).scalar_one()
        assert [connection.execute(count.where(*one)).scalar_one() for one in narrowed] == [2, every - 2]


def test_the_rows_that_need_them_are_named_and_the_rest_runs(damaged: EngineStore) -> None:
    damaged.execute(
        "UPDATE executions SET status = 'Strange' WHERE instance_id = (SELECT min(instance_id) FROM executions)"
    )
    scan = Scan(Store.open(damaged.target, read_only=True), select_checks(Level.deep), level=Level.deep, jobs=2)
    found = {finding.check.id for finding in scan}
    failed = [result for result in scan.results.values() if result.outcome is Outcome.failed]
    unread = [row for result in scan.results.values() for row in result.unread]
    assert scan.verdict is Verdict.incomplete
    assert "E002" in found
    assert failed == []
    assert {row.reason.partition(": ")[2] for row in unread} == {
        "it holds an id that is not UTF-8, which no engine writes"
    }
    assert all("\udcff" in row.key["instance_id"] for row in unread)

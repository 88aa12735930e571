"""What came after PostgreSQL last gathered statistics is read row by row, and not joined each with each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, event

from conftest import ENGINES, EngineStore, MakeStore
from holystone.scan import relation, scan
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.prefilters import PREFILTERS, run
from holystone.scan.prefilters.prefilter import Prefilter
from holystone.scan.scan import Scan
from holystone.store import Store

pytestmark = pytest.mark.slow


ROWS = 2_000
A_RANGE = 500
TABLES = ("instances", "executions", "history")


@pytest.fixture
def store(engine_store: MakeStore) -> EngineStore:
    """A store of many equal instances, of which only the half with the lower ids was there for ANALYZE."""
    made = engine_store(ENGINES[-1], "postgresql", ["completed"])
    ((first,),) = made.execute("SELECT min(instance_id) FROM executions WHERE status = 'Completed'")
    for prefix in ("!old-", "~new-"):
        for table in TABLES:
            renamed = "jsonb_populate_record(model, jsonb_build_object('instance_id', ? || number))"
            made.execute(
                f"INSERT INTO {table} SELECT ({renamed}).* FROM {table} AS model, generate_series(1, ?) AS number"
                " WHERE model.instance_id = ?",
                *(prefix, ROWS, first),
            )
        made.execute("UPDATE history SET event_data = replace(event_data, ?, instance_id)", first)
        if prefix == "!old-":
            made.execute(f"ANALYZE {', '.join(TABLES)}")
    return made


def tried_in_vain(node: dict[str, Any]) -> int:
    """Return how many pairs of rows the joins of a plan put together for nothing."""
    here = node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"]
    return int(here) + sum(tried_in_vain(part) for part in node.get("Plans", ()))


def selects(scanned: Scan) -> Iterator[tuple[str, Any]]:
    """Yield the statements that a scan reads with, and their parameters, as they go to the driver."""
    found: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert not list(scanned)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    yield from (one for one in found if one[0].startswith("SELECT") and any(table in one[0] for table in TABLES))


@pytest.mark.parametrize("prefilters", [PREFILTERS, ()], ids=["prefilter", "relations"])
@pytest.mark.parametrize("level", [Level.standard, Level.deep], ids=["standard", "deep"])
def test_rows_are_not_joined_each_with_each(
    store: EngineStore, level: Level, prefilters: Sequence[Prefilter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "EXECUTIONS_PER_RANGE", A_RANGE)
    monkeypatch.setattr(scan, "WORTH_CUTTING", 0)
    monkeypatch.setattr(relation, "_MOST", A_RANGE)
    opened = Store.open(store.target, store.schema, read_only=True)
    read = list(selects(Scan(opened, select_checks(level), level=level, prefilters=prefilters)))
    assert len(read) > ROWS / A_RANGE
    with opened.snapshot() as connection:
        for statement, parameters in read:
            explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
            (plan,) = connection.exec_driver_sql(explain, parameters).scalar_one()
            assert tried_in_vain(plan["Plan"]) < 20 * ROWS, statement

"""However the rows of a look are cut into ranges, the findings are the same, and in the same order."""

from __future__ import annotations

import pytest

from conftest import ENGINES, Flavour, MakeStore
from holystone.scan import relation, scan
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.store import Store


@pytest.mark.parametrize(("rows", "jobs", "expected"), [(1, 2, 1), (60_000, 2, 30_000), (300_000, 1, 150_000)])
def test_jobs_have_as_much_to_do(rows: int, jobs: int, expected: int) -> None:
    assert relation.rows_per_range(rows, jobs) == expected


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 3])
def test_spans_change_nothing(
    engine_store: MakeStore, flavour: Flavour, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed", "chains", "parents", "waiting"])
    made.execute("UPDATE executions SET status = 'Running' WHERE status = 'Completed'")
    made.execute("UPDATE instances SET parent_instance_id = 'nobody'")
    store = Store.open(made.target, made.schema, read_only=True)

    def found() -> list[tuple[str, str | None, int | None]]:
        every = Scan(store, select_checks(Level.deep), level=Level.deep, jobs=jobs, prefilters=())
        return [(one.check.id, one.instance_id, one.execution_id) for one in every]

    whole = found()
    monkeypatch.setattr(scan, "WORTH_CUTTING", 0)
    monkeypatch.setattr(relation, "_MOST", 2)
    assert whole
    assert found() == whole

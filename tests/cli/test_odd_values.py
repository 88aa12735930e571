"""Values that no engine writes: each is named in every format, and what is wrong elsewhere is told and repaired."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from holystone.duroxide.tables import executions

from .helpers import STALE, Run, Sample

pytestmark = pytest.mark.slow


STRAY = "CAST(x'ff61' AS TEXT)"
OF = "instance_id = 'order-2'"
ON_BOTH = {
    "no text in an event": f"UPDATE history SET event_data = '' WHERE {OF} AND event_id = 2",
    "event far away": f"UPDATE history SET event_id = 9223372036854775807 WHERE {OF} AND event_id = 2",
}
ON_SQLITE = {
    "no id": f"UPDATE executions SET instance_id = {STRAY} WHERE {OF}",
    "id in bytes": f"UPDATE executions SET instance_id = x'6261' WHERE {OF}",
    "row of instances in bytes": f"UPDATE instances SET instance_id = x'6261' WHERE {OF}",
    "execution in words": f"UPDATE executions SET execution_id = 'x' WHERE {OF}",
    "execution in bytes": f"UPDATE history SET execution_id = x'ff' WHERE {OF}",
    "event in words": f"UPDATE history SET event_id = 'x' WHERE {OF} AND event_id = 2",
    "event in bytes": f"UPDATE history SET event_id = x'ff00' WHERE {OF} AND event_id = 2",
    "current in bytes": f"UPDATE instances SET current_execution_id = x'ff' WHERE {OF}",
    "stray time": f"UPDATE executions SET completed_at = {STRAY} WHERE {OF}",
    "time beyond the calendar": f"UPDATE executions SET completed_at = 9223372036854775807 WHERE {OF}",
    "due beyond the calendar": "UPDATE worker_queue SET visible_at = 9223372036854775807",
    "activity in bytes": "UPDATE worker_queue SET work_item = x'ff', instance_id = x'ff'",
}
ON_POSTGRESQL = {
    "time beyond the calendar": f"UPDATE executions SET completed_at = '294276-12-31' WHERE {OF}",
    "time before the calendar": f"UPDATE executions SET completed_at = '4713-01-01 BC' WHERE {OF}",
    "due beyond the calendar": "UPDATE worker_queue SET visible_at = '294276-12-31'",
}
QUICK = ("id in bytes", "event in bytes", "stray time")
"""Those that the default tests try, one of each kind."""
DAMAGES = [
    *(
        pytest.param("sqlite_store", script, id=f"sqlite-{name}", marks=[] if name in QUICK else [pytest.mark.long])
        for name, script in (ON_BOTH | ON_SQLITE).items()
    ),
    *(
        pytest.param("postgresql_store", script, id=f"postgresql-{name}", marks=pytest.mark.long)
        for name, script in (ON_BOTH | ON_POSTGRESQL).items()
    ),
]


@pytest.mark.parametrize(("fixture", "script"), DAMAGES)
def test_it_is_named_and_all_else_is_told_and_repaired(
    run: Run, request: pytest.FixtureRequest, fixture: str, script: str
) -> None:
    store: Sample = request.getfixturevalue(fixture)
    store.execute(STALE + script)
    for format_ in ("text", "json", "jsonl"):
        said = run("check", *store.words, "--level", "deep", "--format", format_)
        assert said.status in (1, 2)
        assert "fault of holystone" not in said.err
        assert "Nothing was checked" not in said.out + said.err
        assert "order-1" in said.out
        if format_ == "json":
            found = {_instance(finding) for finding in said.json["findings"]}
            unread = [row for check in said.json["checks"] for row in check["unread"]]
            assert (found - {"order-1"}) or unread or said.status == 1
            assert (said.status == 2) == (said.json["verdict"] == "incomplete")
    applied = run("repair", "apply", *store.words, "--yes")
    assert "fault of holystone" not in applied.err
    repaired = select(executions.c.status).where(executions.c.instance_id == "order-1")
    assert store.rows(repaired) == [("Completed",)]


def _instance(finding: dict[str, Any]) -> str:
    return json.dumps(finding["instance_id"]).strip('"')

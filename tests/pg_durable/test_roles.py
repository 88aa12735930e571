"""What the roles of docs/pg-durable.md can do, and what is said to others."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.helpers import Run

from .conftest import Restore
from .ground import ENGINE, Database

GUIDE = Path(__file__).parents[2] / "docs" / "pg-durable.md"
GRANTS = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@dataclass(frozen=True)
class Granted:
    """A database with the guide's roles, whose names have something behind them: a server may be shared."""

    database: Database
    suffix: str

    @property
    def checker(self) -> str:
        return self.database.as_role(f"holystone_check_{self.suffix}")

    @property
    def repairer(self) -> str:
        return self.database.as_role(f"holystone_repair_{self.suffix}")


@pytest.fixture
def grant(restore: Restore) -> Iterator[Callable[[str], Granted]]:
    """Restores a database, and runs the statements of the guide in it."""
    made: list[Granted] = []

    def granted(name: str) -> Granted:
        made.append(Granted(restore(name), uuid.uuid4().hex))
        assert len(GRANTS) == 2
        for statements in GRANTS:
            named = re.sub(r"holystone_(check|repair)", rf"holystone_\1_{made[-1].suffix}", statements)
            made[-1].database.execute(named)
        return made[-1]

    yield granted
    for one in made:
        for role in ("repair", "check"):
            name = f"holystone_{role}_{one.suffix}"
            one.database.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_checker_sees_all_and_writes_nothing(run: Run, grant: Callable[[str], Granted]) -> None:
    granted = grant("g2_start_cancel")
    checked = run("check", granted.checker, "--format", "json", "--level", "deep", "--ignore", "S009").json
    assert checked["verdict"] == "drift"
    assert [one["id"] for one in checked["checks"] if one["outcome"] == "failed"] == []
    assert {one["check"] for one in checked["findings"]} == {"D001", "D004"}
    refused = run("repair", "apply", granted.checker, "--yes")
    assert refused.status == 2
    assert "permission denied" in refused.err


@pytest.mark.parametrize("name", ["g2_start_cancel", "g6_restored"])
def test_repairer_repairs_and_undoes(run: Run, grant: Callable[[str], Granted], name: str) -> None:
    granted = grant(name)
    database, repairer = granted.database, granted.repairer
    before = [database.dump(table) for table in ("df.instances", "df.nodes")]
    applied = run("repair", "apply", repairer, "--yes", "--unsafe", "rebuild-df-rows", "--format", "json")
    assert (applied.status, applied.json["left"]) == (0, 0), applied
    assert run("check", granted.checker).status in (0, 1)
    assert run("repair", "undo", repairer, applied.json["run"], "--yes").status == 0
    assert [database.dump(table) for table in ("df.instances", "df.nodes")] == before


def test_hidden_rows_are_said(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    database.execute(f"GRANT USAGE ON SCHEMA df, {ENGINE} TO alice")
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA df, {ENGINE} TO alice")
    checked = run("check", database.as_role("alice"), "--format", "json")
    outcomes = {one["id"]: (one["outcome"], one["reason"]) for one in checked.json["checks"]}
    assert (checked.status, checked.json["verdict"]) == (2, "incomplete")
    assert outcomes["E001"] == ("clean", None)
    for id in ("D001", "D002", "D003", "D004", "D005", "D006", "D007", "D008", "D010"):
        outcome, reason = outcomes[id]
        assert outcome == "failed"
        assert "Rows may be hidden from the role" in reason


@pytest.mark.parametrize("table", ["df.instances", "df.nodes"])
def test_one_table_that_may_not_be_read(run: Run, restore: Restore, table: str) -> None:
    database = restore("g1_sound")
    database.execute(f"GRANT USAGE ON SCHEMA df, {ENGINE} TO alice")
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA df, {ENGINE} TO alice; REVOKE SELECT ON {table} FROM alice")
    database.execute(
        "ALTER TABLE df.instances DISABLE ROW LEVEL SECURITY; ALTER TABLE df.nodes DISABLE ROW LEVEL SECURITY"
    )
    checked = run("check", database.as_role("alice"))
    assert checked.status == 2
    assert f"permission denied for table {table.removeprefix('df.')}" in checked.out

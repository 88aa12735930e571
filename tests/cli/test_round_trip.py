"""From a drifted store to a whole one and back, by the commands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from holystone.duroxide.tables import executions

from .helpers import GHOST, Run, Sample, assert_refused

COLUMNS = (executions.c.instance_id, executions.c.execution_id, executions.c.status, executions.c.output)


def rows(store: Sample) -> list[tuple[Any, ...]]:
    columns = (*COLUMNS, executions.c.started_at, executions.c.completed_at)
    return sorted(store.rows(select(*columns)), key=str)


def applied(run: Run, store: Sample, *words: str) -> Any:
    return run("repair", "apply", *store.words, "--yes", "--format", "json", *words)


def undone(run: Run, store: Sample, run_id: str) -> Any:
    return run("repair", "undo", *store.words, run_id, "--yes", "--format", "json")


def runs(run: Run, store: Sample) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = run("repair", "log", *store.words, "--format", "json").json["runs"]
    return listed


def test_a_repair_makes_the_store_clean_and_an_undo_makes_it_as_it_was(run: Run, drifted: Sample) -> None:
    before = rows(drifted)
    assert run("check", *drifted.words).status == 1
    report = applied(run, drifted)
    assert report.status == 0
    assert report.json.keys() >= {"schema", "run", "applied", "skipped", "left"}
    assert (report.json["schema"], report.json["applied"], report.json["skipped"]) == (1, 2, [])
    assert run("check", *drifted.words).status == 0
    back = undone(run, drifted, report.json["run"])
    assert (back.status, back.json["applied"], back.json["left"]) == (0, 2, 0)
    assert rows(drifted) == before
    assert run("check", *drifted.words).status == 1


def test_a_second_apply_finds_nothing_to_do(run: Run, drifted: Sample) -> None:
    applied(run, drifted)
    after = rows(drifted)
    again = applied(run, drifted)
    assert (again.status, again.json["run"], again.json["applied"], again.json["left"]) == (0, None, 0, 0)
    assert "nothing to repair" in run("repair", "apply", *drifted.words, "--yes").out
    assert rows(drifted) == after
    assert len(runs(run, drifted)) == 1


def test_a_second_undo_changes_nothing(run: Run, drifted: Sample) -> None:
    first = applied(run, drifted).json["run"]
    undone(run, drifted, first)
    before = rows(drifted)
    again = undone(run, drifted, first)
    assert (again.status, again.json["run"], again.json["applied"], again.json["left"]) == (0, None, 0, 0)
    assert rows(drifted) == before


def test_an_undo_can_be_undone(run: Run, drifted: Sample) -> None:
    mended = applied(run, drifted).json["run"]
    after = rows(drifted)
    back = undone(run, drifted, mended).json["run"]
    again = undone(run, drifted, back)
    assert (again.status, again.json["applied"]) == (0, 2)
    assert rows(drifted) == after


def test_a_row_that_has_moved_on_is_skipped_and_named(run: Run, drifted: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    run("repair", "plan", *drifted.words, "-o", plan)
    drifted.execute("UPDATE executions SET status = 'Failed' WHERE instance_id = 'order-1'")
    result = run("repair", "apply", drifted.target, plan, *drifted.words[1:], "--format", "json")
    assert result.status == 1
    assert (result.json["applied"], result.json["left"]) == (1, 1)
    (skipped,) = result.json["skipped"]
    assert skipped["key"] == {"instance_id": "order-1", "execution_id": 1}
    assert skipped["why"]
    assert ("order-1", 1, "Failed", None) in drifted.rows(select(*COLUMNS))


def test_a_row_that_has_moved_on_is_named_in_words_too(run: Run, drifted: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    run("repair", "plan", *drifted.words, "-o", plan)
    drifted.execute("UPDATE executions SET status = 'Failed' WHERE instance_id = 'order-1'")
    result = run("repair", "apply", drifted.target, plan, *drifted.words[1:])
    assert result.status == 1
    assert "skipped E001 order-1 execution 1: " in result.out
    assert "1 row repaired, 1 left." in result.out


def test_a_history_that_has_grown_is_not_overruled(run: Run, drifted: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    run("repair", "plan", *drifted.words, "-o", plan)
    drifted.execute("DELETE FROM history WHERE instance_id = 'order-1' AND event_id = 4")
    result = run("repair", "apply", drifted.target, plan, *drifted.words[1:], "--format", "json")
    assert result.status == 1
    assert [skipped["key"]["instance_id"] for skipped in result.json["skipped"]] == ["order-1"]


def test_a_row_that_is_gone_is_skipped(run: Run, drifted: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    run("repair", "plan", *drifted.words, "-o", plan)
    drifted.execute("DELETE FROM executions WHERE instance_id = 'order-1'")
    result = run("repair", "apply", drifted.target, plan, *drifted.words[1:], "--format", "json")
    assert (result.status, result.json["applied"], result.json["left"]) == (1, 1, 1)


def test_a_row_that_somebody_else_mended_is_done_already(run: Run, drifted: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    run("repair", "plan", *drifted.words, "-o", plan)
    applied(run, drifted, "--select", "E003")
    result = run("repair", "apply", drifted.target, plan, *drifted.words[1:], "--format", "json")
    assert (result.status, result.json["applied"], result.json["already"], result.json["left"]) == (0, 1, 1, 0)


def test_what_was_changed_after_the_run_is_not_put_back(run: Run, drifted: Sample) -> None:
    mended = applied(run, drifted).json["run"]
    drifted.execute("UPDATE executions SET status = 'Failed' WHERE instance_id = 'order-1'")
    result = undone(run, drifted, mended)
    assert (result.status, result.json["applied"], result.json["left"]) == (1, 1, 1)
    assert result.json["skipped"][0]["key"]["instance_id"] == "order-1"


@pytest.mark.parametrize("name", ["E007", "e007", "remove-ghost", "REMOVE-GHOST"])
def test_an_unsafe_repair_has_to_be_named(run: Run, haunted: Sample, name: str) -> None:
    before = rows(haunted)
    refused = applied(run, haunted)
    assert (refused.status, refused.json["applied"], refused.json["left"]) == (1, 0, 1)
    assert rows(haunted) == before
    result = applied(run, haunted, "--unsafe", name)
    assert (result.status, result.json["applied"], result.json["left"]) == (0, 1, 0)
    assert "ghost" not in {row[0] for row in rows(haunted)}
    assert undone(run, haunted, result.json["run"]).status == 0
    assert rows(haunted) == before


def test_a_ghost_that_came_back_can_be_removed_once_more(run: Run, haunted: Sample) -> None:
    removed = applied(run, haunted, "--unsafe", "E007").json["run"]
    back = undone(run, haunted, removed).json["run"]
    result = undone(run, haunted, back)
    assert (result.status, result.json["applied"]) == (0, 1)
    assert "ghost" not in {row[0] for row in rows(haunted)}


def test_a_ghost_whose_instance_has_appeared_stays(run: Run, haunted: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    run("repair", "plan", *haunted.words, "-o", plan)
    haunted.execute(
        "INSERT INTO instances (instance_id, orchestration_name, orchestration_version, created_at, updated_at)"
        " VALUES ('ghost', 'Order', '1.0.0', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
    )
    words = [haunted.target, plan, *haunted.words[1:], "--unsafe", "E007", "--format", "json"]
    result = run("repair", "apply", *words)
    assert (result.status, result.json["applied"], result.json["left"]) == (1, 0, 1)


def test_the_log_tells_every_run_and_row(run: Run, drifted: Sample) -> None:
    assert runs(run, drifted) == []
    mended = applied(run, drifted).json["run"]
    back = undone(run, drifted, mended).json["run"]
    latest, first = runs(run, drifted)
    assert (first["run"], first["kind"], first["undoes"]) == (mended, "apply", None)
    assert (latest["run"], latest["kind"], latest["undoes"]) == (back, "undo", mended)
    assert first["started_at_ms"] <= first["finished_at_ms"] <= latest["finished_at_ms"]
    assert {change["key"]["instance_id"] for change in first["changes"]} == {"order-1", "order-2"}
    assert {change["undone_by"] for change in first["changes"]} == {back}
    said = run("repair", "log", *drifted.words, "--rows").out
    assert mended in said
    assert back in said
    assert "E001 order-1 execution 1: " in said
    assert "status Running → Completed" in said


def test_an_empty_log_says_so(run: Run, healthy: Sample) -> None:
    result = run("repair", "log", *healthy.words)
    assert (result.status, result.err) == (0, "")
    assert "the journal is empty" in result.out


@pytest.mark.parametrize("journal", [True, False])
def test_an_unknown_run_cannot_be_undone(run: Run, drifted: Sample, journal: bool) -> None:
    if journal:
        applied(run, drifted)
    result = undone(run, drifted, "20250101-000000-ffffff")
    assert_refused(result, "has no run '20250101-000000-ffffff'", "repair log")


def test_a_clean_store_gets_no_tables(run: Run, healthy: Sample) -> None:
    assert applied(run, healthy).status == 0
    assert run("migrate", "status", *healthy.words, "--format", "json").json["toolkit_revision"] is None


def test_the_first_apply_says_that_it_makes_tables(run: Run, drifted: Sample) -> None:
    assert "Made holystone's own tables" in applied(run, drifted).err
    drifted.execute(GHOST)
    assert applied(run, drifted, "--unsafe", "E007").err == ""


def test_migrate_shows_and_upgrades_the_schema(run: Run, healthy: Sample) -> None:
    before = run("migrate", "status", *healthy.words, "--format", "json").json
    assert before["toolkit_revision"] is None
    assert before["pending"]
    assert before["engine_migration"]
    assert "Next: holystone migrate upgrade" in run("migrate", "status", *healthy.words).out
    assert run("migrate", "upgrade", *healthy.words).out == f"Ran {', '.join(before['pending'])}.\n"
    after = run("migrate", "status", *healthy.words, "--format", "json").json
    assert after["toolkit_revision"] == before["pending"][-1]
    assert after["pending"] == []
    assert "Nothing to do" in run("migrate", "upgrade", *healthy.words).out
    assert run("check", *healthy.words).status == 0


def test_the_engines_own_tables_are_left_to_the_engine(run: Run, drifted: Sample) -> None:
    before = rows(drifted)
    run("migrate", "upgrade", *drifted.words)
    assert rows(drifted) == before

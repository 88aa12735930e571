"""`repair log` of one run, of some, and of very many rows."""

from __future__ import annotations

import pytest

from holystone.render.messages import LISTED

from .helpers import STALE, UNDATED, Run, Sample, assert_refused

pytestmark = pytest.mark.slow


@pytest.fixture
def runs(run: Run, drifted: Sample) -> list[str]:
    """A run of apply and its undo, in the order of the log."""
    mended = run("repair", "apply", *drifted.words, "--yes", "--format", "json").json["run"]
    back = run("repair", "undo", drifted.target, mended, *drifted.words[1:], "--yes", "--format", "json").json["run"]
    return [back, mended]


def test_one_run_is_shown_with_its_rows(run: Run, drifted: Sample, runs: list[str]) -> None:
    said = run("repair", "log", drifted.target, runs[1], *drifted.words[1:]).out
    head, *rows = said.splitlines()
    assert head.startswith(runs[1])
    assert sorted(row.split()[0] for row in rows) == ["E001", "E003"]
    told = run("repair", "log", drifted.target, runs[0], *drifted.words[1:], "--format", "json").json["runs"]
    assert [one["run"] for one in told] == [runs[0]]


def test_the_latest_are_listed_up_to_a_limit(run: Run, drifted: Sample, runs: list[str]) -> None:
    listed = run("repair", "log", *drifted.words, "--limit", "1", "--format", "json").json["runs"]
    assert [one["run"] for one in listed] == runs[:1]
    assert [line.split()[0] for line in run("repair", "log", *drifted.words).out.splitlines()] == runs


def test_the_target_may_stand_in_the_environment(
    run: Run, drifted: Sample, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("repair", "log", drifted.target, runs[0], *drifted.words[1:])
    monkeypatch.setenv("HOLYSTONE_TARGET", drifted.target)
    monkeypatch.setenv("HOLYSTONE_SCHEMA", drifted.schema or "")
    assert run("repair", "log", runs[0]) == shown


def test_a_run_that_there_is_not_is_told_of(run: Run, drifted: Sample, runs: list[str]) -> None:
    refused = run("repair", "log", drifted.target, "20250101-000000-ffffff", *drifted.words[1:])
    assert_refused(refused, "has no run '20250101-000000-ffffff'", "Next: holystone repair log ")


def test_rows_that_are_skipped_are_not_all_listed(run: Run, sqlite_store: Sample, tmp_path: object) -> None:
    with sqlite_store.scribe() as scribe:
        from holystone.demo.scribe import completed, started

        for number in range(LISTED + 2):
            scribe.execution(f"many-{number}", started(), completed('"done"'))
    sqlite_store.execute("UPDATE executions SET completed_at = NULL WHERE instance_id LIKE 'many-%'")
    plan = f"{tmp_path}/plan.json"
    assert run("repair", "plan", sqlite_store.target, "-o", plan).status == 0
    sqlite_store.execute("UPDATE executions SET completed_at = 1 WHERE instance_id LIKE 'many-%'")
    said = run("repair", "apply", sqlite_store.target, plan)
    assert said.status == 1
    assert said.out.count("  skipped ") == LISTED
    assert "  and 2 more skipped" in said.out


def test_a_moment_that_is_put_back_is_told_for_people(run: Run, sqlite_store: Sample) -> None:
    sqlite_store.execute(STALE + UNDATED)
    assert "Z)" in run("repair", "plan", sqlite_store.target).out

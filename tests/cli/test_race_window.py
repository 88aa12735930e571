"""`--race-window`: from which age a row that waits for another is no race any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases.work import just_now, raised_to

from .helpers import Run, Sample, assert_refused, commands_in, split


@pytest.fixture
def raced(healthy: Sample) -> Sample:
    """A store with an event that was raised this moment, to an instance that is not there yet."""
    with healthy.scribe() as scribe:
        just_now(scribe, scribe.message("early", raised_to("early")))
    return healthy


def test_what_has_just_come_is_a_race_unless_told_otherwise(run: Run, raced: Sample) -> None:
    assert run("check", *raced.words).status == 0
    found = run("check", *raced.words, "--race-window", "0", "--format", "json")
    assert found.status == 1
    assert [(one["check"], one["instance_id"]) for one in found.json["findings"]] == [("Q001", "early")]


def test_what_is_told_to_type_next_keeps_it(run: Run, raced: Sample) -> None:
    (after_check,) = commands_in(run("check", *raced.words, "--race-window", "0").out)
    assert "--race-window 0" in after_check
    (after_plan,) = commands_in(run(*split(after_check)).out)
    applied = run(*split(after_plan), "--yes", "--unsafe", "park-message")
    assert "1 row repaired, 0 left." in applied.out


def test_plan_in_a_file_is_applied_without_it(run: Run, raced: Sample, tmp_path: Path) -> None:
    """Its rows were old enough when it was made, and they are the same rows."""
    plan = str(tmp_path / "plan.json")
    assert run("repair", "plan", *raced.words, "--race-window", "0", "-o", plan).status == 0
    applied = run("repair", "apply", *raced.words, plan, "--yes", "--unsafe", "park-message", "--format", "json")
    assert (applied.json["applied"], applied.json["left"]) == (1, 0)


def test_window_below_zero_is_refused(run: Run, healthy: Sample) -> None:
    assert_refused(run("check", *healthy.words, "--race-window", "-1"), "--race-window")

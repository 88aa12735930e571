"""The exit status, which others' scripts rely on: 0 clean or done, 1 findings, 2 could not run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from holystone.scan.catalogue import checks
from holystone.scan.check import Severity

from .helpers import GHOST, UNDATED, Run, Sample, assert_refused, holystone

pytestmark = pytest.mark.slow


def test_a_clean_store(run: Run, healthy: Sample) -> None:
    result = run("check", *healthy.words)
    assert (result.status, result.err) == (0, "")
    assert result.out.endswith("Clean.\n")


def test_a_drifted_store(run: Run, drifted: Sample) -> None:
    result = run("check", *drifted.words)
    assert (result.status, result.err) == (1, "")
    assert "Drift: 2 findings." in result.out


def test_the_process_ends_with_the_same_statuses(sqlite_store: Sample) -> None:
    assert holystone("check", *sqlite_store.words).status == 0
    sqlite_store.execute(UNDATED)
    assert holystone("check", *sqlite_store.words).status == 1
    assert holystone("check", "no such file").status == 2


@pytest.fixture
def undated_is(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Severity:
    """Give E003 another severity, so that each can be found alone."""
    severity: Severity = request.param
    catalogue = checks().by_id
    monkeypatch.setitem(catalogue, "E003", replace(catalogue["E003"], severity=severity))
    return severity


@pytest.mark.parametrize("undated_is", Severity, indirect=True, ids=lambda severity: severity.name)
@pytest.mark.parametrize(
    "fail_on",
    ["error", *(pytest.param(word, marks=pytest.mark.long) for word in ("critical", "warning", "info", "never", None))],
)
def test_fail_on_draws_the_line(run: Run, sqlite_store: Sample, undated_is: Severity, fail_on: str | None) -> None:
    sqlite_store.execute(UNDATED)
    option = [] if fail_on is None else ["--fail-on", fail_on]
    line = 99 if fail_on == "never" else Severity[fail_on or "error"]
    result = run("check", *sqlite_store.words, *option)
    assert result.status == (undated_is >= line)
    assert "E003" in result.out


@pytest.mark.parametrize("format_", ["text", "json", "jsonl"])
@pytest.mark.parametrize(("fail_on", "status"), [("critical", 0), ("error", 1), ("never", 0)])
def test_the_format_does_not_change_the_status(
    run: Run, sqlite_store: Sample, format_: str, fail_on: str, status: int
) -> None:
    sqlite_store.execute(UNDATED)
    assert run("check", *sqlite_store.words, "--format", format_, "--fail-on", fail_on).status == status


def test_fail_on_goes_by_the_worst(run: Run, drifted: Sample) -> None:
    assert run("check", *drifted.words, "--fail-on", "critical").status == 1
    assert run("check", *drifted.words, "--fail-on", "critical", "--ignore", "E001").status == 0


def test_never_failing_is_not_the_same_as_not_running(run: Run) -> None:
    assert_refused(run("check", "no such file", "--fail-on", "never"))


@pytest.mark.parametrize("limit", [0, 1, 2, 7])
def test_findings_beyond_the_maximum_are_counted(run: Run, drifted: Sample, limit: int) -> None:
    result = run("check", *drifted.words, "--max-findings", str(limit), "--format", "json")
    assert result.status == 1
    assert len(result.json["findings"]) == min(limit, 2)
    assert sum(check["count"] for check in result.json["checks"]) == 2
    assert result.json["verdict"] == "drift"
    assert "Drift: 2 findings." in run("check", *drifted.words, "--max-findings", str(limit)).out


def test_the_maximum_is_not_negative(run: Run, sqlite_store: Sample) -> None:
    assert_refused(run("check", *sqlite_store.words, "--max-findings", "-1"), "--max-findings")


def test_a_baseline_leaves_out_what_it_holds(run: Run, drifted: Sample, tmp_path: Path) -> None:
    baseline = str(tmp_path / "baseline.json")
    assert run("check", *drifted.words, "--format", "json", "--output", baseline).status == 1
    result = run("check", *drifted.words, "--baseline", baseline)
    assert result.status == 0
    assert "2 findings of the baseline left out." in result.out
    assert run("check", *drifted.words, "--baseline", baseline, "--format", "json").json["baseline"] == 2


def test_a_baseline_does_not_hide_what_is_new(run: Run, drifted: Sample, tmp_path: Path) -> None:
    baseline = str(tmp_path / "baseline.json")
    run("check", *drifted.words, "--format", "json", "--output", baseline)
    drifted.execute(GHOST)
    result = run("check", *drifted.words, "--baseline", baseline, "--format", "json")
    assert result.status == 1
    assert [finding["check"] for finding in result.json["findings"]] == ["E007"]


def test_a_baseline_of_half_the_findings_hides_that_half(run: Run, drifted: Sample, tmp_path: Path) -> None:
    baseline = str(tmp_path / "baseline.json")
    run("check", *drifted.words, "--format", "json", "--output", baseline, "--select", "E003")
    result = run("check", *drifted.words, "--baseline", baseline, "--format", "json")
    assert [finding["check"] for finding in result.json["findings"]] == ["E001"]


def test_an_apply_that_leaves_rows_undone(run: Run, haunted: Sample) -> None:
    assert run("repair", "apply", *haunted.words, "--yes").status == 1


def test_a_plan_is_no_verdict(run: Run, drifted: Sample) -> None:
    assert run("repair", "plan", *drifted.words).status == 0


def test_no_command_at_all_is_a_usage_error(run: Run) -> None:
    result = run()
    assert (result.status, result.out) == (2, "")
    assert "Usage: holystone" in result.err


@pytest.mark.parametrize(
    "option",
    [
        *("check --jobs", "check --race-window", "check --statement-timeout", "check --run-time", "check --full-every"),
        *("executions list --limit", "executions list --older-than", "executions show TARGET order-1"),
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf", "1e300", str(2**63), "9" * 50])
def test_a_number_that_no_database_takes_is_a_usage_error(
    run: Run, sqlite_store: Sample, option: str, number: str
) -> None:
    words = option.replace("TARGET", sqlite_store.target).split()
    assert_refused(run(*words, number, *([] if "TARGET" in option else sqlite_store.words)), "Invalid value for ")


@pytest.mark.parametrize(
    "words", [["chek"], ["check", "--nope"], ["repair"], ["repair", "aply"], ["explain", "a", "b"]]
)
def test_a_word_that_means_nothing_is_a_usage_error(run: Run, words: list[str]) -> None:
    result = run(*words)
    assert (result.status, result.out) == (2, "")
    assert "Usage: holystone" in result.err

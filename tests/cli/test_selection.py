"""Which checks run, over which instances."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.demo.scribe import completed
from holystone.scan.catalogue import checks
from holystone.scan.check import Level

from .helpers import WORK, Run, Sample, assert_refused

# Each holds a character that means something in GLOB, in LIKE or in a pattern of regular expressions.
IDS = ["a*b", "a?b", "a[1]b", "a1b", "a%b", "a_b", "aXXb", "a\\b", "a.b", "A1B", "a^b", "a]b", "a[!1]b", "a\nb"]


@pytest.fixture
def stale(healthy: Sample) -> Sample:
    """A store with one finding for each of IDS."""
    with healthy.scribe() as scribe:
        for id in IDS:
            scribe.execution(id, *WORK, completed())
    healthy.execute("UPDATE executions SET completed_at = NULL WHERE status = 'Completed' AND instance_id <> 'order-1'")
    return healthy


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", set(IDS)),
        ("a[1]b", {"a[1]b"}),
        ("a[!1]b", {"a[!1]b"}),
        ("a%b", {"a%b"}),
        ("a_b", {"a_b"}),
        ("a\\b", {"a\\b"}),
        ("a.b", {"a.b"}),
        ("a]b", {"a]b"}),
        ("a^b", {"a^b"}),
        ("a\nb", {"a\nb"}),
        ("a?b", {id for id in IDS if len(id) == 3 and id.startswith("a")}),
        ("a*b", {id for id in IDS if id.startswith("a")}),
        ("A*", {"A1B"}),
        ("a[*", {"a[1]b", "a[!1]b"}),
        ("*[1]*", {"a[1]b"}),
        ("b", set()),
        ("' OR 1=1 --", set()),
    ],
)
def test_a_glob_names_instances(run: Run, stale: Sample, pattern: str, found: set[str]) -> None:
    said = run("check", *stale.words, "--instance", pattern, "--format", "json")
    assert {finding["instance_id"] for finding in said.json["findings"]} == found
    assert said.json["scanned"]["instances"] >= len(found)
    assert (said.json["verdict"], said.status) == (("drift", 1) if found else ("incomplete", 2))


@pytest.mark.parametrize(
    "command", [["check"], ["repair", "plan"], ["repair", "apply", "--yes"], ["executions", "list"]]
)
def test_a_pattern_that_matches_nothing_is_no_clean_store(run: Run, stale: Sample, command: list[str]) -> None:
    for pattern, says in (("order-l", "No instance"), ("", "no id is given")):
        said = run(*command, *stale.words, "--instance", pattern)
        assert says in said.err
        assert (said.status, "Clean" in said.out) == (2, False)
    said = run(*command, *stale.words, "--instance", "a*", "--instance", "b*")
    assert "it is given twice" in said.err
    assert said.status == 2


def test_a_glob_narrows_a_plan(run: Run, stale: Sample) -> None:
    plan = run("repair", "plan", *stale.words, "--instance", "a[1]b", "--format", "json").json
    assert [change["key"]["instance_id"] for change in plan["changes"]] == ["a[1]b"]


def test_a_glob_narrows_an_apply(run: Run, stale: Sample) -> None:
    report = run("repair", "apply", *stale.words, "--instance", "a%b", "--yes", "--format", "json").json
    assert report["applied"] == 1
    findings = run("check", *stale.words, "--format", "json").json["findings"]
    assert {finding["instance_id"] for finding in findings} == {*IDS} - {"a%b"}


def checks_run(run: Run, store: Sample, *words: str) -> set[str]:
    report = run("check", *store.words, "--format", "json", *words).json
    return {check["id"] for check in report["checks"]}


@pytest.mark.parametrize("given", [["E001", "E003"], ["e001,E003"], ["E001 e003"], ["E001", "E001", "E003"]])
def test_select_names_the_checks(run: Run, sqlite_store: Sample, given: list[str]) -> None:
    words = [word for id in given for word in ("--select", id)]
    assert checks_run(run, sqlite_store, *words) == {"E001", "E003"}


def test_ignore_leaves_checks_out(run: Run, sqlite_store: Sample) -> None:
    everything = checks_run(run, sqlite_store)
    assert checks_run(run, sqlite_store, "--ignore", "E001,e003") == everything - {"E001", "E003"}


@pytest.mark.parametrize("level", Level)
def test_a_level_runs_the_lower_ones_too(run: Run, sqlite_store: Sample, level: Level) -> None:
    expected = {check.id for check in checks() if check.level <= level}
    assert checks_run(run, sqlite_store, "--level", level.name) == expected


def test_select_reaches_above_the_level(run: Run, sqlite_store: Sample) -> None:
    highest = max(checks(), key=lambda check: check.level)
    assert checks_run(run, sqlite_store, "--level", "quick", "--select", highest.id) == {highest.id}


@pytest.mark.parametrize(
    "words",
    [
        ["check", "TARGET", "--select", "E999"],
        ["check", "TARGET", "--ignore", "E999"],
        ["check", "TARGET", "--select", "E001", "--select", "stale-runing"],
        ["repair", "plan", "TARGET", "--select", "E999"],
        ["repair", "plan", "TARGET", "--ignore", "E999"],
        ["repair", "apply", "TARGET", "--yes", "--select", "E999"],
        ["repair", "apply", "TARGET", "--yes", "--unsafe", "E999"],
        ["repair", "apply", "TARGET", "--yes", "--unsafe", "remove-gost"],
        ["explain", "E999"],
        ["explain", "\x1b[2J"],
    ],
    ids=" ".join,
)
def test_an_unknown_id_is_refused(run: Run, sqlite_store: Sample, words: list[str]) -> None:
    path = Path(sqlite_store.target)
    before = path.read_bytes()
    result = run(*(sqlite_store.target if word == "TARGET" else word for word in words))
    assert_refused(result, "There is no check ", "`holystone checks` lists all")
    assert "\x1b" not in result.err
    assert path.read_bytes() == before


def test_a_near_miss_is_told_its_neighbour(run: Run) -> None:
    assert "Perhaps E001" in run("explain", "E0001").err


@pytest.mark.parametrize("given", ["", " ", ","])
@pytest.mark.parametrize("option", ["--select", "--ignore"])
@pytest.mark.parametrize("command", [["check"], ["repair", "apply", "--yes"]], ids=" ".join)
def test_a_scripts_empty_variable_does_not_select_everything(
    run: Run, sqlite_store: Sample, command: list[str], option: str, given: str
) -> None:
    assert_refused(run(*command, sqlite_store.target, option, given), "no id is given")


def test_ignoring_all_that_is_selected_is_refused(run: Run, sqlite_store: Sample) -> None:
    result = run("check", sqlite_store.target, "--select", "E001", "--ignore", "E001")
    assert_refused(result, "Every check that was selected is ignored as well.")


def test_a_check_in_which_nothing_ran_does_not_call_the_store_clean(run: Run, healthy: Sample) -> None:
    said = run("check", *healthy.words, "--select", "S001", "--instance", "order-1")
    assert said.status == 2
    assert said.out.endswith("Incomplete: every check was skipped. Nothing was checked.\n")
    assert "Nothing was checked: it is about the store as a whole" in said.err


def test_a_plan_of_nothing_says_what_there_was_nothing_of(run: Run, healthy: Sample) -> None:
    nobody = run("repair", "plan", *healthy.words, "--instance", "nobody")
    assert_refused(nobody, "No instance matches 'nobody'", "Next: `holystone executions list ")
    skipped = run("repair", "plan", *healthy.words, "--select", "S001", "--instance", "order-1")
    assert_refused(skipped, "Nothing was checked: it is about the store as a whole", "Next: Select checks that apply")

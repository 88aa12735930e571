"""The environment: what stands in for the target, and where there is a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .helpers import STALE, UNDATED, Run, Sample, assert_refused, holystone
from .terminals import on_terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def named(drifted: Sample, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A drifted store that the environment names."""
    monkeypatch.setenv("HOLYSTONE_TARGET", drifted.target)
    if drifted.schema is not None:
        monkeypatch.setenv("HOLYSTONE_SCHEMA", drifted.schema)
    return drifted


@pytest.mark.parametrize("words", [["check"], ["repair", "plan"], ["repair", "log"], ["migrate", "status"]])
def test_the_environment_names_the_store(run: Run, named: Sample, words: list[str]) -> None:
    result = run(*words)
    assert result.status == (words == ["check"])
    assert result.err == ""


def test_the_environment_leaves_room_for_a_plan_and_a_run(run: Run, named: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert run("repair", "plan", "-o", plan).status == 0
    applied = run("repair", "apply", plan, "--format", "json")
    assert (applied.status, applied.json["applied"]) == (0, 2)
    undone = run("repair", "undo", applied.json["run"], "--yes", "--format", "json")
    assert (undone.status, undone.json["applied"]) == (0, 2)


def test_an_argument_goes_before_the_environment(run: Run, named: Sample, tmp_path: Path) -> None:
    assert_refused(run("check", str(tmp_path / "other.db")), "other.db")
    assert_refused(run("repair", "apply", str(tmp_path / "other.db"), "--yes"), "other.db")


def test_a_schema_in_the_environment_does_not_hinder_a_file(
    run: Run, sqlite_store: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLYSTONE_SCHEMA", "engine")
    assert run("check", sqlite_store.target).status == 0


def test_an_option_goes_before_the_schema_of_the_environment(
    run: Run, postgresql_store: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLYSTONE_SCHEMA", "elsewhere")
    assert run("check", *postgresql_store.words).status == 0


def test_the_environment_leaves_room_for_an_instance(run: Run, named: Sample) -> None:
    shown = run("executions", "show", named.target, "order-1", "1", *named.words[1:])
    assert shown.status == 0
    assert run("executions", "show", "order-1") == shown
    assert run("executions", "show", "order-1", "1") == shown
    assert run("executions", "show", named.target, "order-1", *named.words[1:]) == shown
    assert run("why", "order-1").status == 0
    assert_refused(run("executions", "show", "nobody", "1"), "has no execution 1 of 'nobody'")
    assert_refused(run("executions", "show", named.target, "order-1", "one"), "'one' is no number of an execution")


def test_the_environment_names_any_option(
    run: Run, drifted: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLYSTONE_CHECK_FAIL_ON", "never")
    monkeypatch.setenv("HOLYSTONE_CHECK_SELECT", "E001 E002")
    monkeypatch.setenv("HOLYSTONE_CHECK_FORMAT", "json")
    result = run("check", *drifted.words)
    assert result.status == 0
    assert [check["id"] for check in result.json["checks"]] == ["E001", "E002"]
    assert run("check", *drifted.words, "--fail-on", "error").status == 1
    monkeypatch.setenv("HOLYSTONE_CHECK_FORMAT", "nagios")
    unknown = holystone("check", str(tmp_path / "none.db"), environment={"HOLYSTONE_CHECK_FORMAT": "nagios"})
    assert (unknown.status, unknown.out[:19]) == (3, "HOLYSTONE UNKNOWN -")


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["repair", "plan"],
        ["repair", "apply", "--yes"],
        ["repair", "undo"],
        ["repair", "log"],
        ["migrate", "status"],
        ["migrate", "upgrade"],
    ],
    ids=" ".join,
)
def test_a_command_needs_a_target(run: Run, words: list[str]) -> None:
    assert_refused(run(*words), "Missing argument 'TARGET")


def test_a_terminal_gets_colours(sqlite_store: Sample) -> None:
    sqlite_store.execute(STALE)
    status, said = on_terminal("check", sqlite_store.target)
    assert status == 1
    assert "\x1b[31m" in said


@pytest.mark.parametrize("words", [["check"], ["repair", "plan"]], ids=" ".join)
def test_no_color_keeps_a_terminal_plain(sqlite_store: Sample, words: list[str]) -> None:
    sqlite_store.execute(STALE)
    _, said = on_terminal(*words, sqlite_store.target, NO_COLOR="1")
    assert "order-1" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("words", [["check"], ["repair", "plan"], ["executions", "list"]], ids=" ".join)
def test_a_narrow_terminal_gets_every_word(sqlite_store: Sample, words: list[str]) -> None:
    sqlite_store.execute(STALE)
    expected = holystone(*words, sqlite_store.target)
    status, said = on_terminal(*words, sqlite_store.target, columns=60, NO_COLOR="1")
    assert status == expected.status
    lines = [re.sub(" in .* s, ", " in … s, ", line).rstrip() for line in said.splitlines()]
    for line in expected.out.splitlines():
        assert re.sub(" in .* s, ", " in … s, ", line) in lines


def test_a_pipe_gets_no_colours(sqlite_store: Sample) -> None:
    sqlite_store.execute(STALE)
    result = holystone("check", sqlite_store.target)
    assert "order-1" in result.out
    assert "\x1b" not in result.out + result.err


def test_a_file_gets_no_colours(sqlite_store: Sample, tmp_path: Path) -> None:
    sqlite_store.execute(STALE)
    report = tmp_path / "report.txt"
    on_terminal("check", sqlite_store.target, "--output", str(report))
    assert "order-1" in report.read_text()
    assert "\x1b" not in report.read_text()


@pytest.mark.parametrize(("answer", "status", "applied"), [("y\n", 0, True), ("n\n", 2, False), ("\n", 2, False)])
def test_an_apply_asks_on_a_terminal(sqlite_store: Sample, answer: str, status: int, applied: bool) -> None:
    sqlite_store.execute(STALE + UNDATED)
    before = Path(sqlite_store.target).read_bytes()
    ended, said = on_terminal("repair", "apply", sqlite_store.target, typed=answer)
    assert "Apply it?" in said
    assert ended == status
    assert (Path(sqlite_store.target).read_bytes() != before) == applied


@pytest.mark.parametrize("words", [[], ["--format", "json"]], ids=" ".join)
def test_an_apply_that_can_ask_nobody_does_nothing(sqlite_store: Sample, words: list[str]) -> None:
    sqlite_store.execute(STALE)
    before = Path(sqlite_store.target).read_bytes()
    assert_refused(holystone("repair", "apply", sqlite_store.target, *words), "There is nobody to ask; say --yes.")
    assert Path(sqlite_store.target).read_bytes() == before


def test_an_undo_that_can_ask_nobody_does_nothing(run: Run, sqlite_store: Sample) -> None:
    sqlite_store.execute(STALE)
    applied = run("repair", "apply", sqlite_store.target, "--yes", "--format", "json").json["run"]
    before = Path(sqlite_store.target).read_bytes()
    assert_refused(holystone("repair", "undo", sqlite_store.target, applied), "There is nobody to ask; say --yes.")
    assert Path(sqlite_store.target).read_bytes() == before

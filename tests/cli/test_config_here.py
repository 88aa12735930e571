"""The configuration of the folder where a command runs: used, named each time, and never where another is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from .helpers import STALE, Run, Sample, assert_refused

IGNORE = '[checks.E001]\nignore = "see OPS-12"\n'
OF_PROJECT = '[project]\nname = "app"\n\n[tool.holystone.checks.E001]\nignore = "see OPS-12"\n'
NAMED = "Configuration: {} of this folder; --config /dev/null uses none.\n"
FILES = [("holystone.toml", IGNORE), ("pyproject.toml", OF_PROJECT)]


@pytest.fixture
def drifted(breakable: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A store with a finding of E001; commands run in an empty folder."""
    breakable.execute(STALE)
    (folder := tmp_path / "house").mkdir()
    monkeypatch.chdir(folder)
    return breakable


@pytest.mark.parametrize(("name", "text"), FILES)
def test_it_is_used_and_named(run: Run, drifted: Sample, name: str, text: str) -> None:
    check = ("check", *drifted.words, "--select", "E001,E003")
    assert run(*check).status == 1
    Path(name).write_text(text)
    clean = run(*check)
    assert (clean.status, clean.err) == (0, NAMED.format(name))
    # It has changed the exit status, so even a run that is to say nothing names it.
    assert run(*check, "--quiet").err == NAMED.format(name)
    assert f"Configuration: {name}.\n" in run(*check, "--verbose").out
    assert run(*check, "--format", "json").json["configuration"] == name
    assert NAMED.format(name) in run("gate", *drifted.words).err
    assert NAMED.format(name) in run("repair", "plan", *drifted.words).err


@pytest.mark.parametrize(("name", "text"), FILES)
def test_one_that_is_named_is_said_with_v_alone(
    run: Run, drifted: Sample, tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    check = ("check", *drifted.words, "--select", "E001,E003", "--config", str(file))
    clean = run(*check)
    assert (clean.status, clean.err) == (0, "")
    assert f"Configuration: {file}.\n" in run(*check, "--verbose").out
    quiet = run(*check, "--quiet")
    assert (quiet.out, quiet.err) == ("", "")


def test_another_or_none_may_be_named(run: Run, drifted: Sample, tmp_path: Path) -> None:
    Path("holystone.toml").write_text(IGNORE)
    (other := tmp_path / "other.toml").write_text("")
    for named in (str(other), "/dev/null"):
        check = ("check", *drifted.words, "--select", "E001,E003", "--config", named)
        found = run(*check)
        assert (found.status, found.err) == (1, "")
        assert f"--config {named}" in found.out  # in what is to be typed next
        assert f"Configuration: {named}.\n" in run(*check, "--verbose").out


def test_what_is_next_names_it(run: Run, drifted: Sample) -> None:
    Path("holystone.toml").write_text('[checks.E003]\nignore = "x"\n')
    assert "--config holystone.toml" in run("check", *drifted.words, "--select", "E001").out


def test_one_that_is_wrong_is_told_of(run: Run, drifted: Sample) -> None:
    Path("holystone.toml").write_text("[check]\n")
    assert_refused(run("check", *drifted.words), "holystone.toml cannot be used: it has 'check'")
    Path("holystone.toml").unlink()
    Path("pyproject.toml").write_text('[tool.holystone.checks.E001]\nseverety = "info"\n')
    assert_refused(run("check", *drifted.words), "pyproject.toml cannot be used: [checks.E001] has 'severety'")


@pytest.mark.parametrize(
    "text",
    [
        '["tool"."holystone".checks.E001]\nignore = "x"\n',
        '[ tool.holystone ]\nchecks.E001.ignore = "x"\n',
        '[tool]\nholystone = {checks = {E001 = {ignore = "x"}}}\n',
    ],
)
def test_however_the_table_of_a_project_is_written(run: Run, drifted: Sample, text: str) -> None:
    Path("pyproject.toml").write_text(text)
    clean = run("check", *drifted.words, "--select", "E001,E003")
    assert (clean.status, clean.err) == (0, NAMED.format("pyproject.toml"))


@pytest.mark.parametrize(
    "content",
    [
        b'description = "see [tool.holystone] in the docs"\n',
        b"[tool.holystone-x]\n",
        b"tool = 1\n",
        b"[tool.x]\na = \xff\n",
    ],
)
def test_what_only_mentions_it_or_is_broken_for_others_is_left_alone(run: Run, drifted: Sample, content: bytes) -> None:
    Path("pyproject.toml").write_bytes(content)
    found = run("check", *drifted.words, "--select", "E001,E003")
    assert (found.status, found.err) == (1, "")


def test_a_broken_one_with_the_table_is_told_of(run: Run, drifted: Sample) -> None:
    Path("pyproject.toml").write_text("[tool.holystone.checks\n")
    assert_refused(run("check", *drifted.words), "pyproject.toml cannot be used")


def test_a_project_without_one_and_folders_above_are_nobodys_business(
    run: Run, drifted: Sample, tmp_path: Path
) -> None:
    Path("pyproject.toml").write_text("[tool.other\n")  # whoever reads that file complains of it
    (tmp_path / "holystone.toml").write_text(IGNORE)
    found = run("check", *drifted.words, "--verbose", "--select", "E001,E003")
    assert (found.status, found.err) == (1, "")
    assert "Configuration: none.\n" in found.out


def test_one_that_cannot_be_a_file_is_told_of(run: Run, drifted: Sample) -> None:
    check = ("check", *drifted.words, "--select", "E001")
    Path("holystone.toml").mkdir()
    assert_refused(run(*check), "holystone.toml cannot be read: is a directory.")
    Path("holystone.toml").rmdir()
    Path("holystone.toml").symlink_to("nowhere.toml")
    assert_refused(run(*check), "holystone.toml cannot be read: no such file or directory.")
    assert run(*check, "--config", "/dev/null").status == 1

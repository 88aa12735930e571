"""A page that is longer than the terminal goes through the user's pager; nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from .helpers import holystone
from .terminals import on_terminal


@pytest.fixture
def pager(tmp_path: Path) -> str:
    """A pager that marks what it is given."""
    script = tmp_path / "pager"
    script.write_text("#!/bin/sh\necho PAGED\ncat\n")
    script.chmod(0o755)
    return str(script)


def test_a_long_page_is_paged_on_a_terminal(pager: str) -> None:
    status, said = on_terminal("explain", "E001", PAGER=pager, NO_COLOR="1")
    assert status == 0
    assert said.startswith("PAGED")
    to_pipe = holystone("explain", "E001", environment={"COLUMNS": "80"}).out
    assert said.replace("\r\n", "\n").removeprefix("PAGED\n") == to_pipe


def test_a_pager_of_several_words(pager: str) -> None:
    assert on_terminal("explain", "E001", PAGER=f"{pager} -x")[1].startswith("PAGED")


@pytest.mark.parametrize("words", [["explain", "E001", "--no-pager"], ["check", "."], ["checks"], ["explain", "E999"]])
def test_nothing_else_is(pager: str, words: list[str]) -> None:
    assert "PAGED" not in on_terminal(*words, PAGER=pager)[1]


def test_what_the_terminal_holds_is_not(pager: str) -> None:
    assert "PAGED" not in on_terminal("explain", "E001", PAGER=pager, LINES="500")[1]


@pytest.mark.parametrize("named", ["", "cat", "no-such-pager", "/no/such -x"])
def test_who_wants_none_or_has_none_reads_the_page(named: str) -> None:
    status, said = on_terminal("explain", "E001", PAGER=named)
    assert status == 0
    assert "FALSE ALARMS" in said
    assert "not found" not in said


def test_a_dumb_terminal_has_none(pager: str) -> None:
    assert "PAGED" not in on_terminal("explain", "E001", PAGER=pager, TERM="dumb")[1]


def test_a_pipe_has_none(pager: str) -> None:
    assert "PAGED" not in holystone("explain", "E001", environment={"PAGER": pager}).out


def test_a_pager_that_is_left_early_is_no_fault(tmp_path: Path) -> None:
    script = tmp_path / "pager"
    script.write_text("#!/bin/sh\nhead -1\nexit 3\n")
    script.chmod(0o755)
    status, said = on_terminal("explain", "E001", PAGER=str(script))
    assert status == 0
    assert "Traceback" not in said

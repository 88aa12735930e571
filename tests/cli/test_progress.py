"""Progress is for a person who watches a terminal, and never in the way of what is reported."""

from __future__ import annotations

import io
import sys

import pytest

from holystone.render import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal on which a bar appears without delay.

    Called by the test itself: pytest puts its own streams in place after the fixtures have run.
    """
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return screen


def test_bar_is_gone_before_the_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = watched(monkeypatch)
    with progress.progress_bar() as report:
        assert report is not None
        report("executions", 0, 300)
        report("executions", 100, 300)
        assert "executions" in terminal.getvalue()
        report("executions", 300, 300)
        drawn = terminal.getvalue()
        print("the report")
    assert terminal.getvalue() == drawn
    assert capsys.readouterr().out == "the report\n"


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 60.0)
    with progress.progress_bar() as report:
        assert report is not None
        report("executions", 100, 300)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_bar_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    watched(monkeypatch)
    monkeypatch.setenv(variable, value)
    with progress.progress_bar() as report:
        assert report is None


def test_no_bar_beside_streamed_output_on_the_same_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched(monkeypatch)
    monkeypatch.setattr(sys, "stdout", Terminal())
    with progress.progress_bar(streamed=True) as report:
        assert report is None


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar() as report:
        assert report is None
    assert capsys.readouterr().err == ""

"""`executions list` and `executions show`: rows beside histories."""

from __future__ import annotations

import json

import pytest

from conftest import ENGINES, Flavour, MakeStore
from holystone.cli.main import run


@pytest.fixture
def arguments(engine_store: MakeStore, flavour: Flavour) -> list[str]:
    """A store of the engine with a chain of executions, one of which has drifted."""
    store = engine_store(ENGINES[-1], flavour, ["chains", "failed"])
    store.execute(
        "UPDATE executions SET status = 'ContinuedAsNew' WHERE instance_id = 'chain-waiting' AND status = 'Running'"
    )
    return store.arguments


def listed(capsys: pytest.CaptureFixture[str], arguments: list[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run(["executions", "list", *arguments, "--format", "json", *words]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["executions"]
    return found


def test_list_goes_by_the_row_and_shows_the_history(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [row for row in listed(capsys, arguments) if row["instance_id"] == "chain-waiting"]
    assert [row["status"] for row in waiting] == ["ContinuedAsNew"] * len(waiting)
    assert [row["status_of_history"] for row in waiting][-1] == "Running"
    assert run(["executions", "list", *arguments]) == 0
    out = capsys.readouterr().out
    assert "ContinuedAsNew, its history says Running" in out
    assert "Next: holystone check" in out


def test_list_can_be_narrowed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    everything = listed(capsys, arguments)
    failed = listed(capsys, arguments, "--status", "Failed")
    assert {row["status"] for row in failed} == {"Failed"}
    assert 0 < len(failed) < len(everything)
    chains = listed(capsys, arguments, "--name", "Chain")
    assert {row["name"] for row in chains} == {"Chain"}
    assert {row["instance_id"] for row in listed(capsys, arguments, "--instance", "chain-w*")} == {"chain-waiting"}
    assert listed(capsys, arguments, "--older-than", "3600") == []
    assert len(listed(capsys, arguments, "--limit", "2")) == 2


def test_status_that_there_is_not_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["executions", "list", *arguments, "--status", "Nope"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no execution has the status 'Nope'" in printed.err


def test_show_has_the_history(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    target, *schema = arguments
    assert run(["executions", "show", target, "chain-waiting", "1", *schema]) == 0
    out = capsys.readouterr().out
    assert "Z  OrchestrationStarted  name=Chain " in out
    assert run(["executions", "show", target, "chain-waiting", *schema, "--format", "json"]) == 0
    executions = json.loads(capsys.readouterr().out)["executions"]
    assert [one["execution_id"] for one in executions] == list(range(1, len(executions) + 1))
    assert executions[0]["events"][-1]["type"] == "OrchestrationContinuedAsNew"


@pytest.mark.parametrize("words", [["nobody"], ["chain-waiting", "99"]])
def test_what_is_not_there(arguments: list[str], capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    target, *schema = arguments
    capsys.readouterr()
    assert run(["executions", "show", target, *words, *schema]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Next: holystone executions list " in printed.err

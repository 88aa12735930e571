"""What a command tells its reader to type next asks the same question: it repeats the options that made the choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.mend.apply import Application, Report

from .helpers import GHOST, STALE, Run, Sample, commands_in, split

POLICY = '[checks.E003]\nseverity = "critical"\n'


@pytest.fixture
def drifted(healthy: Sample) -> Sample:
    """A store with a finding that is repaired, and one that only an unsafe repair mends."""
    healthy.execute(STALE + GHOST)
    return healthy


@pytest.fixture
def choice(tmp_path: Path) -> list[str]:
    """Options, none at its default, that choose which checks are run over which instances, and how."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    words = ["--level", "deep", "--select", "E", "--select", "I", "--ignore", "E002", "--ignore", "E005=known here"]
    return [*words, "--instance", "*o*", "--config", str(policy), "--race-window", "7"]


def test_check_and_plan(run: Run, drifted: Sample, choice: list[str], tmp_path: Path) -> None:
    for words in (["check"], ["check", "--format", "markdown"]):
        (plan,) = commands_in(run(*words, *drifted.words, *choice).out) or markdown_commands(
            run(*words, *drifted.words, *choice).out
        )
        assert same_choice(split(plan), ["repair", "plan"], drifted, choice)
    (apply,) = commands_in(run("repair", "plan", *drifted.words, *choice).out)
    assert same_choice(split(apply), ["repair", "apply"], drifted, choice)
    file = str(tmp_path / "plan.json")
    (apply,) = commands_in(run("repair", "plan", *drifted.words, *choice, "-o", file).out)
    assert same_choice(split(apply), ["repair", "apply"], drifted, [file, *choice])


def test_apply(run: Run, drifted: Sample, choice: list[str]) -> None:
    applied = run("repair", "apply", *drifted.words, *choice, "--yes")
    unsafe, check, undo = commands_in(applied.out)[-3:]
    assert same_choice(split(unsafe), ["repair", "apply"], drifted, ["--unsafe", "remove-ghost", *choice])
    assert same_choice(split(check), ["check"], drifted, choice)
    assert split(undo)[:2] == ["repair", "undo"]
    again = run(*split(unsafe), "--yes")
    assert (again.status, "1 row repaired, 0 left." in again.out) == (0, True), again


def test_a_dry_run(run: Run, drifted: Sample, choice: list[str]) -> None:
    (plan,) = commands_in(run("repair", "apply", *drifted.words, *choice, "--dry-run").err)
    words = split(plan)
    assert words[:2] == ["repair", "plan"]
    assert sorted(words[2:]) == sorted([*drifted.words, *choice])


def test_a_resumed_run(run: Run, drifted: Sample, choice: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as stopping:
        stopping.setattr(Application, "finish", interrupted)
        run("repair", "apply", *drifted.words, *choice, "--yes")
    (run_id,) = (one["run"] for one in run("repair", "log", *drifted.words, "--format", "json").json["runs"])
    resumed = run("repair", "resume", *drifted.words, run_id, "--yes")
    unsafe, check, _ = commands_in(resumed.out)[-3:]
    assert same_choice(split(unsafe), ["repair", "apply"], drifted, ["--unsafe", "remove-ghost", *choice])
    assert same_choice(split(check), ["check"], drifted, choice)


def test_a_run_of_a_plan_file_in_the_log(
    run: Run, drifted: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "plan.json")
    run("repair", "plan", *drifted.words, "-o", file)
    monkeypatch.setattr(Application, "finish", interrupted)
    run("repair", "apply", drifted.target, file, *drifted.words[1:], "--yes")
    (line,) = [line for line in run("repair", "log", *drifted.words).out.splitlines() if "Go on: " in line]
    assert "--plan FILE" in line


def test_a_look_at_all_that_is_due(run: Run, healthy: Sample, choice: list[str], tmp_path: Path) -> None:
    at = choice.index("--instance")
    choice = choice[:at] + choice[at + 2 :]
    known = str(tmp_path / "known.json")
    run("check", *healthy.words, *choice, "--format", "json", "-o", known)
    choice = [*choice, "--baseline", known]
    assert run("check", *healthy.words, "--since", "last", *choice).status == 0
    told = run("check", *healthy.words, "--since", "last", "--full-every", "0", *choice)
    (check,) = commands_in(told.err)
    assert same_choice(split(check), ["check"], healthy, ["--since", "beginning", *choice])


def test_the_gate(run: Run, drifted: Sample, choice: list[str], tmp_path: Path) -> None:
    known = str(tmp_path / "known.json")
    run("check", *drifted.words, "--select", "E007", "--format", "json", "-o", known)
    told = run("gate", *drifted.words, *choice, "--baseline", known).out
    (check,) = (words for words in commands_in(told.replace("  Next:", "Next:")) if words.startswith("check"))
    assert same_choice(split(check), ["check"], drifted, [*choice, "--baseline", known])


def interrupted(application: Application) -> Report:
    """Stop a run as Ctrl-C does, once its last change is made."""
    raise KeyboardInterrupt


def same_choice(words: list[str], begin: list[str], store: Sample, options: list[str]) -> bool:
    """Return whether a command is this one, of this store and with all of these options; their order is free."""
    where = ["--schema", store.schema] if store.schema is not None else []
    assert words[: len(begin)] == begin
    assert sorted(words[len(begin) + 1 :]) == sorted([*options, *where])
    return True


def markdown_commands(text: str) -> list[str]:
    return [line.strip().removeprefix("holystone ") for line in text.splitlines() if line.startswith("    holystone ")]

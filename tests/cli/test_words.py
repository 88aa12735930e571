"""Words of the command line: names and families of checks, durations, misspelt commands, completion."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .helpers import COMMAND, Run, Sample, clean_environment, holystone


def selected(run: Run, store: Sample, *words: str) -> set[str]:
    return {check["id"] for check in run("check", *store.words, *words, "--format", "json").json["checks"]}


def test_a_check_is_named_by_its_name(run: Run, sqlite_store: Sample) -> None:
    assert selected(run, sqlite_store, "--select", "status-mismatch,Completed-At-Missing") == {"E001", "E003"}
    assert "E001" not in selected(run, sqlite_store, "--ignore", "status-mismatch")
    assert run("explain", "status-mismatch").out == run("explain", "E001").out


def test_a_letter_names_a_family_up_to_the_level(run: Run, sqlite_store: Sample) -> None:
    standard = selected(run, sqlite_store, "--select", "h")
    deep = selected(run, sqlite_store, "--select", "H", "--level", "deep")
    assert standard < deep
    assert {id[0] for id in deep} == {"H"}
    assert selected(run, sqlite_store, "--select", "E,Q001") >= {"E001", "Q001"}
    assert not {id for id in selected(run, sqlite_store, "--ignore", "E") if id[0] == "E"}


def test_a_family_without_a_check_of_the_level_is_refused(run: Run, sqlite_store: Sample) -> None:
    result = run("check", *sqlite_store.words, "--select", "H", "--ignore", "H")
    assert result.status == 2
    assert run("check", *sqlite_store.words, "--select", "Z").status == 2


@pytest.mark.parametrize(("typed", "meant"), [("status-mismach", "status-mismatch"), ("E01", "E001")])
def test_a_misspelt_check_is_told_of_with_what_is_meant(run: Run, sqlite_store: Sample, typed: str, meant: str) -> None:
    result = run("check", *sqlite_store.words, "--select", typed)
    assert result.status == 2
    assert meant in result.err


def test_a_misspelt_command_is_told_of_with_what_is_meant(run: Run) -> None:
    result = run("chek", "x.db")
    assert result.status == 2
    assert "No such command 'chek'. Did you mean 'check', 'checks'?" in result.err


@pytest.mark.parametrize("window", ["300", "300s", "5m", "0.5m", "1h", "7d", "0"])
def test_durations_have_units(run: Run, sqlite_store: Sample, window: str) -> None:
    assert run("check", *sqlite_store.words, "--race-window", window).status == 0


@pytest.mark.parametrize("window", ["5x", "-1", "1.5", "nan", "1e9", "", "m", "200000000d", "9" * 400])
def test_what_is_no_duration_is_refused(run: Run, sqlite_store: Sample, window: str) -> None:
    result = run("check", *sqlite_store.words, "--race-window", window)
    assert (result.status, result.out) == (2, "")


def test_the_same_duration_means_the_same(run: Run, sqlite_store: Sample) -> None:
    spelt = [run("executions", "list", *sqlite_store.words, "--older-than", one).out for one in ("86400", "24h", "1d")]
    assert len(set(spelt)) == 1


@pytest.mark.parametrize("columns", [60, 200])
def test_prose_is_as_wide_as_the_terminal(
    run: Run, drifted: Sample, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = run("check", *drifted.words).out.splitlines()
    prose = [line for line in said if line.startswith("  ") and not line.startswith("    ")]
    assert max(map(len, prose)) <= min(columns, 100)
    assert max(map(len, prose)) > min(columns, 100) - 15


def completed(shell: str, typed: str, folder: Path) -> list[str]:
    """Return what a real shell offers when Tab is pressed behind what was typed."""
    script = f"""
        {COMMAND[0]} -c 'import sys; sys.argv = ["holystone", "completion", "{shell}"]
from holystone.cli.main import main; main()' > {folder}/completion
        source {folder}/completion
        holystone() {{ {" ".join(COMMAND)} "$@"; }}
        COMP_LINE="{typed}" COMP_POINT={len(typed)}
        _holystone_completion holystone
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, env=clean_environment(), cwd=folder, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_ids_and_commands(tmp_path: Path) -> None:
    assert "check" in completed("bash", "holystone che", tmp_path)
    assert {"E001", "E009"} <= set(completed("bash", "holystone explain E0", tmp_path))
    assert set(completed("bash", "holystone check x.db --select Q01", tmp_path)) >= {"Q010", "Q012"}


def test_runs_of_the_journal_are_completed(run: Run, drifted: Sample) -> None:
    assert run("repair", "apply", *drifted.words, "--yes").status == 0
    [entry] = run("repair", "log", *drifted.words, "--format", "json").json["runs"]
    where = [] if drifted.schema is None else ["--schema", drifted.schema]
    words = ["holystone", "repair", "undo", *where, drifted.target, ""]
    environment = clean_environment(
        {
            "_HOLYSTONE_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
    )
    done = subprocess.run(COMMAND, capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.split() == [f"plain,{entry['run']}"]


def test_colours_are_had_where_they_are_forced(drifted: Sample, tmp_path: Path) -> None:
    file = tmp_path / "report"
    words = ("check", *drifted.words, "--report", f"text={file}")
    forced = holystone(*words, environment={"FORCE_COLOR": "1"})
    assert "\x1b[" in forced.out
    assert "\x1b[" not in file.read_text()
    assert "\x1b[" not in holystone(*words, environment={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
    assert "\x1b[" not in holystone(*words).out


def test_moments_are_had_in_one_form(run: Run, healthy: Sample) -> None:
    said = run("executions", "show", *healthy.words[:1], "order-1", *healthy.words[1:]).out
    assert re.search(r"began \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ, ended \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", said)
    assert re.search(r"event 1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  OrchestrationStarted", said)

"""What a house decides about the catalogue: severities, levels, checks left out, findings put up with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from holystone.demo.story import BACKFILL, OLD_ENGINE, build, drift

from .helpers import Run

pytestmark = pytest.mark.slow


Config = Callable[[str], str]


@pytest.fixture
def drifted(tmp_path: Path) -> str:
    path = tmp_path / "orders.db"
    build(path)
    drift(path, OLD_ENGINE)
    drift(path, BACKFILL)
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    def written(text: str) -> str:
        path = tmp_path / "house.toml"
        path.write_text(text)
        return str(path)

    return written


def checked(run: Run, target: str, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("check", target, "--format", "json", *words).out)
    return document


def outcomes(document: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {check["id"]: (check["outcome"], check["reason"]) for check in document["checks"]}


def test_severity_decides_what_fails(run: Run, drifted: str, config: Config) -> None:
    file = config("".join(f'[checks.{id}]\nseverity = "info"\n' for id in ("E001", "E003", "e006")))
    assert run("check", drifted, "--config", file).status == 0
    assert run("check", drifted, "--config", file, "--fail-on", "info").status == 1
    assert {check["severity"] for check in checked(run, drifted, "--config", file, "--select", "E001")["checks"]} == {
        "info"
    }


def test_level_decides_what_runs(run: Run, drifted: str, config: Config) -> None:
    file = config('[checks.E001]\nlevel = "deep"\n')
    assert "E001" not in outcomes(checked(run, drifted, "--config", file))
    assert outcomes(checked(run, drifted, "--config", file, "--level", "deep"))["E001"] == ("found", None)
    assert outcomes(checked(run, drifted, "--config", file, "--select", "E001"))["E001"] == ("found", None)


def test_ignored_check_is_listed_with_its_reason(run: Run, drifted: str, config: Config) -> None:
    file = config('[checks.E001]\nignore = "see OPS-12"\n')
    document = checked(run, drifted, "--config", file)
    assert outcomes(document)["E001"] == ("skipped", "ignored: see OPS-12")
    assert not [finding for finding in document["findings"] if finding["check"] == "E001"]
    assert "E001 status-mismatch: skipped, ignored: see OPS-12." in run("check", drifted, "--config", file).out
    plan = json.loads(run("repair", "plan", drifted, "--config", file, "--format", "json").out)
    assert plan["changes"]
    assert "E001" not in {change["check"] for change in plan["changes"]}


def test_ignoring_on_the_command_line_takes_a_reason_or_none(run: Run, drifted: str) -> None:
    document = checked(run, drifted, "--ignore", "e001=a, b = c", "--ignore", "E003")
    assert outcomes(document)["E001"] == ("skipped", "ignored: a, b = c")
    assert "E003" not in outcomes(document)
    refused = run("check", drifted, "--ignore", "E001= ")
    assert (refused.status, refused.err) == (
        2,
        "Error: --ignore E001= gives no reason.\nNext: Say why: --ignore 'E001=REASON'\n",
    )


def test_suppressed_findings_do_not_count(run: Run, drifted: str, config: Config) -> None:
    before = checked(run, drifted)
    one = before["findings"][0]
    by_print = config(f'[[suppress]]\nfingerprint = "{one["fingerprint"]}"\nreason = "known"\n')
    after = checked(run, drifted, "--config", by_print)
    assert (after["suppressed"], len(after["findings"])) == (1, len(before["findings"]) - 1)
    of_instance = config(
        f'[[suppress]]\ncheck = "{one["check"]}"\ninstance = "{one["instance_id"][:3]}*"\nreason = "known"\n'
    )
    assert checked(run, drifted, "--config", of_instance)["suppressed"] >= 1
    everything = config("".join(f'[[suppress]]\ncheck = "{c["id"]}"\nreason = "x"\n' for c in before["checks"]))
    said = run("check", drifted, "--config", everything)
    assert said.status == 0
    assert "findings suppressed by the configuration." in said.out


def test_suppression_ends_with_its_day(run: Run, drifted: str, config: Config) -> None:
    today = date.today()
    whole = '[[suppress]]\ncheck = "E001"\ninstance = "*"\nreason = "known"\nuntil = {}\n'
    assert checked(run, drifted, "--config", config(whole.format(today + timedelta(days=1))))["suppressed"] > 0
    yesterday = today - timedelta(days=1)
    file = config(whole.format(yesterday))
    assert checked(run, drifted, "--config", file)["suppressed"] == 0
    said = run("check", drifted, "--config", file)
    assert said.err == f"Warning: the suppression of E001 of * in {file} ended on {yesterday}.\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[checks", "it is no TOML"),
        ("[check.E001]", "it has 'check', and may have checks, suppress"),
        ('[checks.E001]\nseverty = "info"', "[checks.E001] has 'severty'"),
        ('[checks.E001]\nseverity = "fatal"', "severity of [checks.E001] should be one of info, warning"),
        ("[checks.E001]\nseverity = 1", "severity of [checks.E001] should be a text"),
        ('[checks.E999]\nlevel = "deep"', "There is no check 'E999'"),
        ('[checks.E001]\nignore = ""', "ignore of [checks.E001] should be a text"),
        ("checks = 3", "checks should be tables"),
        ("[checks]\nE001 = 3", "[checks.E001] should be a table"),
        ('[[suppress]]\ncheck = "E001"', "[[suppress]] number 1 has no reason"),
        ('[[suppress]]\nreason = "x"', "names neither a check nor a fingerprint"),
        ('[[suppress]]\nreason = "x"\ncheck = "E001"\nuntil = "2026-01-01"', "should be a date"),
        ('[[suppress]]\nreason = "x"\ncheck = "E001"\nuntil = 2026-01-01T00:00:00', "should be a date"),
    ],
)
def test_mistakes_are_named(run: Run, drifted: str, config: Config, text: str, named: str) -> None:
    said = run("check", drifted, "--config", config(text))
    assert (said.status, said.out) == (2, "")
    assert named in said.err
    assert said.err.count("\n") == 2


def test_missing_file_is_named(run: Run, drifted: str, tmp_path: Path) -> None:
    said = run("check", drifted, "--config", str(tmp_path / "none.toml"))
    assert (said.status, said.out) == (2, "")
    assert "none.toml cannot be read: no such file or directory." in said.err


def test_environment_names_the_file_and_next_commands_repeat_it(
    run: Run, drifted: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = config('[checks.E003]\nignore = "x"\n')
    assert f"--config {file}" in run("check", drifted, "--config", file).out
    monkeypatch.setenv("HOLYSTONE_CONFIG", file)
    assert outcomes(checked(run, drifted))["E003"] == ("skipped", "ignored: x")

"""Others' checks are found through the entry point, by the road that the project's own take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ENGINES, Flavour, MakeStore

PLUGIN = """
from holystone.scan.check import BOTH, Check, Level, NoRepair, Severity, no_cause
from holystone.scan.relations.instances import INSTANCES

CHECK = Check(
    id="X001", name="too-many-executions", title="An instance has too many executions", severity=Severity.warning,
    level=Level.quick, flavours=BOTH, relation=INSTANCES,
    violated=lambda instance: instance.highest_execution_id > 2,
    expects=lambda facts: {"current_execution_id": 2}, cause=no_cause,
    message="it is at {observed[current_execution_id]}",
    asserts="a", harm="h", how_to_look="l", false_alarms="f", example="e",
    repair=NoRepair("it is only a matter of taste"),
)
"""


def holystone(plugins: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(plugins)}
    command = [sys.executable, "-m", "holystone", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    metadata = tmp_path / "taste-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: taste\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[holystone.checks]\ntaste = taste_checks\n")
    (tmp_path / "taste_checks.py").write_text(PLUGIN)
    return tmp_path


def test_plugin_is_listed_and_runs(plugins: Path, engine_store: MakeStore, flavour: Flavour) -> None:
    assert "X001" in holystone(plugins, "checks").stdout
    store = engine_store(ENGINES[-1], flavour, ["chains"])
    done = holystone(plugins, "check", *store.arguments, "--select", "x001", "--fail-on", "warning")
    assert (done.returncode, done.stderr) == (1, "")
    assert "X001 too-many-executions  warning" in done.stdout
    assert "it is at 3" in done.stdout
    assert "No repair: it is only a matter of taste." in done.stdout


def test_plugin_that_cannot_be_loaded_is_named(plugins: Path) -> None:
    (plugins / "taste_checks.py").write_text("import nothing_by_this_name")
    done = holystone(plugins, "checks")
    assert (done.returncode, done.stdout) == (2, "")
    assert "of taste cannot be loaded: ModuleNotFoundError" in done.stderr
    assert "Mend or uninstall taste." in done.stderr


def test_plugin_that_declares_nothing_is_named(plugins: Path) -> None:
    (plugins / "taste_checks.py").write_text("")
    done = holystone(plugins, "checks")
    assert (done.returncode, done.stdout) == (2, "")
    assert "taste_checks declares no CHECK" in done.stderr


def test_plugin_may_not_take_anothers_id(plugins: Path) -> None:
    (plugins / "taste_checks.py").write_text(PLUGIN.replace("X001", "E001"))
    done = holystone(plugins, "checks")
    assert (done.returncode, done.stdout) == (2, "")
    assert "call themselves E001" in done.stderr


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("raise SystemExit(0)", "cannot be loaded: SystemExit: 0"),
        ("raise SystemExit", "cannot be loaded: SystemExit"),
        ("import sys; sys.exit('bye')", "cannot be loaded: SystemExit: bye"),
        ("raise BaseException('odd')", "cannot be loaded: BaseException: odd"),
    ],
)
def test_plugin_that_leaves_does_not_end_the_check(plugins: Path, written: str, says: str) -> None:
    (plugins / "taste_checks.py").write_text(written)
    done = holystone(plugins, "checks")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"of taste {says}" in done.stderr


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ("violated=lambda instance: instance", "violated=lambda instance: exit(0) or instance"),
        ("violated=lambda instance: instance.highest", "violated=lambda instance: instance.hightest"),
        ('expects=lambda facts: {"current_execution_id": 2}', "expects=lambda facts: 1 / 0"),
        ('expects=lambda facts: {"current_execution_id": 2}', "expects=lambda facts: exit(0)"),
        ("cause=no_cause", "cause=lambda facts: facts.nothing"),
    ],
)
def test_plugin_that_fails_is_told_and_the_others_run(
    plugins: Path, engine_store: MakeStore, sound: str, broken: str
) -> None:
    (plugins / "taste_checks.py").write_text(PLUGIN.replace(sound, broken))
    store = engine_store(ENGINES[-1], "sqlite", ["chains"])
    store.execute("UPDATE executions SET completed_at = NULL")
    done = holystone(plugins, "check", *store.arguments, "--format", "json")
    report = json.loads(done.stdout)
    outcomes = {check["id"]: check["outcome"] for check in report["checks"]}
    assert (done.returncode, report["verdict"], outcomes["X001"], outcomes["E003"]) == (
        2,
        "incomplete",
        "failed",
        "found",
    )
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr

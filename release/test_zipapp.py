"""The zipapp does the main job with Python alone: no environment, no packages, an empty home."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the zipapp is for Linux on x86-64"
)

DIST = Path(__file__).parents[1] / "dist"


def zipapp(*words: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the zipapp of this processor by a Python that looks at no variable, no site of a user and no folder."""
    (file,) = DIST.glob("*.pyz")
    environment = {} if home is None else {"HOME": str(home)}
    command = [sys._base_executable, "-I", str(file), *words]  # type: ignore[attr-defined]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_it_finds_repairs_and_takes_back(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert zipapp("demo", str(folder), home=tmp_path).returncode == 0
    store = str(folder / "demo.db")
    found = zipapp("check", store, "--format", "json", home=tmp_path)
    assert (found.returncode, found.stderr) == (1, "")
    assert json.loads(found.stdout)["verdict"] == "drift"
    plan = str(tmp_path / "plan.json")
    assert zipapp("repair", "plan", store, "--output", plan, home=tmp_path).returncode in (0, 1)
    applied = zipapp("repair", "apply", store, "--yes", "--format", "json", home=tmp_path)
    assert applied.returncode == 0, applied.stderr
    assert zipapp("check", store, home=tmp_path).returncode == 0
    run = json.loads(applied.stdout)["run"]
    assert zipapp("repair", "undo", store, run, "--yes", home=tmp_path).returncode == 0


def test_it_has_a_driver_of_postgresql(tmp_path: Path) -> None:
    said = zipapp("check", "postgresql://nobody@127.0.0.1:1/nothing", home=tmp_path)
    assert said.returncode == 2
    assert "connection failed" in said.stderr


@pytest.mark.parametrize("home", [None, Path("/nonexistent")])
def test_it_needs_no_home(home: Path | None) -> None:
    said = zipapp("--version", home=home)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("holystone ")

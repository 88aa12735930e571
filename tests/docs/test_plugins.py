"""The example of a plug-in is installed as anybody's would be, and does on real stores what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ENGINES, SQLITE_AND_LONG_POSTGRESQL, EngineStore, Flavour, MakeStore

pytestmark = pytest.mark.slow


DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "plugins" / "example"
PAGE = (DOCS / "plugins.md").read_text(encoding="utf-8")
ATTEMPTS = "SELECT attempt_count FROM worker_queue ORDER BY id"

Holystone = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the example is installed."""
    folder = tmp_path_factory.mktemp("plug-in")
    # From a copy: a build leaves files beside the sources.
    tree = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("tree") / "example")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(tree)]
    subprocess.run(install, check=True, capture_output=True)
    return folder


@pytest.fixture
def holystone(plug_in: Path) -> Holystone:
    def run(*words: str, with_plug_in: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(plug_in)} if with_plug_in else None
        return subprocess.run(
            [sys.executable, "-m", "holystone", *words], capture_output=True, text=True, env=environment
        )

    return run


@pytest.fixture
def retried(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    """A store that the engine made, one of whose activities was tried five times."""
    store = engine_store(ENGINES[-1], flavour, ["work-outstanding"])
    store.execute("UPDATE worker_queue SET attempt_count = 5 WHERE id = (SELECT min(id) FROM worker_queue)")
    return store


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL, indirect=True)
def test_it_finds_mends_and_takes_back(holystone: Holystone, retried: EngineStore) -> None:
    before = retried.execute(ATTEMPTS)
    found = holystone("check", *retried.arguments, "--fail-on", "warning")
    assert found.returncode == 1
    assert "ACME001 activity-retried  warning  1 finding" in found.stdout
    planned = json.loads(holystone("repair", "plan", *retried.arguments, "--format", "json").stdout)
    (change,) = planned["changes"]
    assert (change["check"], change["repair"], change["safety"]) == ("ACME001", "acme-try-anew", "unsafe")
    applied = holystone("repair", "apply", *retried.arguments, "--unsafe", "ACME001", "--yes", "--format", "json")
    assert (applied.returncode, applied.stderr.count("Error")) == (0, 0)
    assert {count for (count,) in retried.execute(ATTEMPTS)} <= {0, 1, 2}
    assert holystone("check", *retried.arguments, "--fail-on", "warning").returncode == 0
    undone = holystone("repair", "undo", *retried.arguments, json.loads(applied.stdout)["run"], "--yes")
    assert (undone.returncode, undone.stdout) == (0, "1 row put back, 0 left.\n")
    assert retried.execute(ATTEMPTS) == before


@pytest.mark.parametrize("flavour", ["sqlite"], indirect=True)
def test_what_it_has_changed_is_not_put_back_without_it(holystone: Holystone, retried: EngineStore) -> None:
    words = ("repair", "apply", *retried.arguments, "--unsafe", "ACME001", "--yes", "--format", "json")
    run = json.loads(holystone(*words).stdout)["run"]
    undone = holystone("repair", "undo", *retried.arguments, run, "--yes", with_plug_in=False)
    assert undone.returncode == 1
    assert "1 left" in undone.stdout


@pytest.mark.long
def test_its_own_tests_pass(plug_in: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    environment = {**os.environ, "PYTHONPATH": str(plug_in)}
    done = subprocess.run([*command, "tests"], cwd=EXAMPLE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_runbook_page_is_made_of_its_declaration(holystone: Holystone) -> None:
    page = holystone("explain", "acme001").stdout
    for said in ("ACME001 activity-retried", "Our activities are done", "SELECT instance_id", "--unsafe acme-try-anew"):
        assert said in page
    assert "Sets attempt_count to 0." in holystone("explain", "acme-try-anew").stdout


def test_the_page_shows_the_files_as_they_are() -> None:
    shown = dict(re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
    assert len(shown) == 3
    for name, text in shown.items():
        assert (EXAMPLE / name).read_text(encoding="utf-8") == text, name

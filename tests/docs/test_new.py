"""docs/new.py writes a check, its case and its repair, of which test_completeness says in words what is to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[2]
CATALOGUES = {"checks": "checks", "repair": "repair", "migrations": "migrations", "docs/runbook": "runbook"}
LEFT_OUT = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "stores", "bench")
CHECK = ("check", "E010", "some-state", "--relation", "executions", "--repair", "restore-some-state")
NEXT_OF_QUEUES = f"Q{1 + max(int(path.stem[1:4]) for path in (ROOT / 'checks').glob('q???_*.py')):03}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository."""
    return shutil.copytree(ROOT, tmp_path / "tree", ignore=LEFT_OUT)


def environment(tree: Path) -> dict[str, str]:
    """Return one in which `holystone` is the copy's, its catalogues in their places as in a wheel."""
    package = tree.parent / "site" / "holystone"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for one in (tree / "src" / "holystone").iterdir():
        (package / one.name).symlink_to(one)
    for folder, name in CATALOGUES.items():
        (package / name).symlink_to(tree / folder)
    return {**os.environ, "PYTHONPATH": str(package.parent), "COLUMNS": "500"}


def new(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(tree, "docs/new.py", *words)


def run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=tree, env=environment(tree), capture_output=True, text=True)


def test_what_is_to_do_is_said_in_words(tree: Path) -> None:
    made = new(tree, *CHECK)
    assert (made.returncode, made.stderr) == (0, "")
    test = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/catalogue/test_completeness.py")
    said = run(tree, *test).stdout
    assert re.findall(r"^FAILED \S+::(\S+)", said, re.MULTILINE) == [
        "test_check_is_whole[e010_some_state]",
        "test_repair_is_whole[restore-some-state]",
    ]
    for words in (
        "E010 has no harm yet",
        "E010 has no how_to_look yet",
        "tests/cases/e010_some_state.py has no findings: write broken rows",
        "E010.md is missing or stale in docs/runbook: run `python docs/build.py E010`",
        "restore-some-state has no title yet",
    ):
        assert words in said
    collected = run(tree, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "tests/catalogue").stdout
    assert "E010-postgresql" in collected
    assert "error" not in collected


def test_a_check_that_nothing_repairs_has_to_say_why(tree: Path) -> None:
    assert new(tree, *CHECK[:-2]).returncode == 0
    test = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/catalogue/test_completeness.py", "-k", "e010")
    assert "E010 does not say yet why no program may repair it, and names no repair" in run(tree, *test).stdout


@pytest.mark.long
def test_what_is_written_passes_ruff_and_mypy(tree: Path) -> None:
    pytest.importorskip("mypy")
    ruff = shutil.which("ruff") or pytest.skip("MISSING: ruff")
    for words in (
        CHECK,
        ("check", NEXT_OF_QUEUES, "other-state", "--relation", "messages"),
        ("repair", "restore-other-state"),
    ):
        written = [line for line in new(tree, *words).stdout.splitlines() if (tree / line).is_file()]
        assert written
        subprocess.run([ruff, "check", *written], cwd=tree, check=True)
        subprocess.run([ruff, "format", "--check", *written], cwd=tree, check=True)
        checked = run(tree, "-m", "mypy", "--config-file", "setup.cfg", *written)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "E001", "some-state", "--relation", "executions"), "E001 is taken by checks/e001_status_mismatch"),
        (("check", "E999", "some-state", "--relation", "executions"), "E999 is not the next free id of its family"),
        (("check", "e10", "some-state", "--relation", "executions"), "'e10' is no id"),
        (("check", "E010", "Some state", "--relation", "executions"), "'Some state' is no name"),
        (("check", "E010", "status-mismatch", "--relation", "executions"), "The name status-mismatch is taken"),
        (("check", "E010", "some-state", "--relation", "nothing"), "There is no relation 'nothing'; there are arri"),
        (("check", "E010", "some-state", "--relation", "executions", "--repair", "../x"), "'../x' is no name"),
        (("repair", "restore-outcome"), "The repair restore-outcome is there already"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words: tuple[str, ...], says: str) -> None:
    refused = subprocess.run([sys.executable, ROOT / "docs" / "new.py", *words], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(says)
    assert refused.stderr.count("\n") == 1
    assert not [*(ROOT / "checks").glob("*some_state*")]

"""mypy reaches into the declarations of the catalogue: it tells what a check or a repair misspells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MISTAKES = {
    "source": (
        "checks/e001_status_mismatch.py",
        "execution.status_agrees)",
        "execution.status_agreez)",
        '"ExecutionSource" has no attribute "status_agreez"',
    ),
    "facts": (
        "checks/e001_status_mismatch.py",
        "[facts.status]",
        "[facts.stauts]",
        '"ExecutionFacts" has no attribute "stauts"',
    ),
    "expects": (
        "checks/e001_status_mismatch.py",
        "[facts.status]",
        "[facts.status, facts.outcome]",
        'List item 1 has incompatible type "Outcome | None"; expected "Compared[object]"',
    ),
    "observed": (
        "checks/e001_status_mismatch.py",
        "facts.status.observed == RUNNING",
        "facts.status == RUNNING",
        "Non-overlapping equality check",
    ),
    "relation": (
        "checks/e001_status_mismatch.py",
        "relation=EXECUTIONS",
        "relation=EXECUTIONS.name",
        'Argument "relation" to "Check" has incompatible type "str"',
    ),
    "other": (
        "checks/e001_status_mismatch.py",
        "relation=EXECUTIONS",
        "relation=INSTANCES",
        'Argument "cause" to "Check" has incompatible type',
    ),
    "setting": (
        "repair/restore_outcome.py",
        "facts.completed_at)",
        "facts.completed)",
        '"ExecutionFacts" has no attribute "completed"',
    ),
    "untold": (
        "repair/clear_completed_at.py",
        "Repair[ExecutionFacts](",
        "Repair(",
        '"Facts" has no attribute "completed_at"',
    ),
    "steps": (
        "repair/remove_ghost.py",
        "steps=delete_row",
        "steps=lambda facts: None",
        'Argument "steps" to "Repair" has incompatible type',
    ),
}
"""What is wrong -> file, right words, wrong ones, and what mypy says."""


@pytest.mark.long
def test_mypy_tells_of_mistakes_in_declarations(tmp_path: Path) -> None:
    files = {}
    for name, (path, right, wrong, _) in MISTAKES.items():
        text = (ROOT / path).read_text()
        assert right in text, (path, right)
        imported = "from holystone.scan.relations.instances import INSTANCES\n"
        files[name] = tmp_path / f"mistake_{name}.py"
        files[name].write_text(imported + text.replace(right, wrong, 1))
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(tmp_path / "c")]
    run = subprocess.run([*mypy, *map(str, files.values())], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    for name, (_, _, _, told) in MISTAKES.items():
        errors = [line for line in run.stdout.splitlines() if files[name].name in line and ": error: " in line]
        assert any(told in line for line in errors), (name, run.stdout)

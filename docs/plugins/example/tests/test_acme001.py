"""The check finds a retried activity, and the repair mends it and can be taken back: run with `pytest tests`."""

import subprocess
import sys
from pathlib import Path

import pytest

from holystone.demo.scribe import Scribe, scheduled, started
from holystone.duroxide.tables import worker_queue
from holystone.migrate import create


def holystone(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "holystone", *words], capture_output=True, text=True)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with an activity that was tried once, and one that was tried five times."""
    path = str(tmp_path / "store.db")
    made = create(path)
    with made.transaction() as connection:
        scribe = Scribe(connection, made.flavour)
        for name, attempts in (("sound", 1), ("retried", 5)):
            scribe.execution(name, started(), scheduled())
            scribe.change(worker_queue, {"instance_id": name}, attempt_count=attempts)
    made.close()
    return path


def test_a_retried_activity_is_found_and_no_other(store: str) -> None:
    found = holystone("check", store, "--fail-on", "warning").stdout
    assert "ACME001 activity-retried  warning  1 finding" in found
    assert "it was tried 5 times" in found


def test_the_repair_gives_it_all_its_attempts_and_can_be_undone(store: str) -> None:
    assert holystone("repair", "apply", store, "--unsafe", "acme-try-anew", "--yes").returncode == 0
    assert "Clean." in holystone("check", store).stdout
    run = holystone("repair", "log", store).stdout.split()[0]
    assert holystone("repair", "undo", store, run, "--yes").returncode == 0
    assert "tried 5 times" in holystone("check", store, "--fail-on", "warning").stdout

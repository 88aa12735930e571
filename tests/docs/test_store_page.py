"""What the page about `Store` shows can be run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from holystone.store import Store

PAGE = Path(__file__).parents[2] / "docs" / "store.md"


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert "status='Completed', output='\"done\"'" in done.stdout
    assert "['OrchestrationStarted', 'OrchestrationCompleted']" in done.stdout


def test_the_table_names_every_method_that_users_call() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    opening = {"close", "open", "prepared", "require_writable", "snapshot", "snapshots", "transaction", "turn"}
    opening |= {"outside_transactions", "bounded", "require_time"}
    public = {name for name in dir(Store) if not name.startswith("_") and callable(getattr(Store, name))}
    assert public - opening - {"unlocked_snapshot"} - named == set()

"""What is generated of the documentation is what a run would generate now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generated_documentation_is_up_to_date() -> None:
    check = subprocess.run([sys.executable, ROOT / "docs" / "build.py", "--check"], capture_output=True, text=True)
    assert check.stdout == "", "run `python docs/build.py`"
    assert check.returncode == 0, check.stderr

"""A few kills of each command: `run.py` is for many."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from conftest import NO_SERVER, SERVERS, Flavour, available, missing
from engine.engines import ENGINES
from kills.scenes import COMMANDS

pytestmark = pytest.mark.long

RUN = Path(__file__).with_name("run.py")
KILLS = {"sqlite": 5, "postgresql": 2}


@pytest.mark.timeout(600)
def test_what_is_killed_at_random_can_be_gone_on_with_and_undone(flavour: Flavour, tmp_path: Path) -> None:
    available(ENGINES[-1])
    if flavour == "postgresql" and not SERVERS:
        missing(NO_SERVER)
    report, count = tmp_path / "kills.jsonl", KILLS[flavour]
    words = ["--flavour", flavour, "--count", str(count), "--seed", "1", "--report", str(report)]
    done = subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True, timeout=580)
    lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    assert done.returncode == 0, (done.stderr, [line for line in lines if "failure" in line])
    killed = Counter((line["command"], line["signal"]) for line in lines)
    assert killed == {(command, signal): count for command in COMMANDS for signal in ("KILL", "TERM")}
    assert {"before", "midway"} <= {line["moment"] for line in lines}

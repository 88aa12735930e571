"""The README's transcript: a real run of the demonstration's commands, with what varies made steady."""

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from holystone.cli.main import run
from holystone.demo.story import BACKFILL, OLD_ENGINE, build, drift
from holystone.mend.runs import read_runs
from holystone.store import Store

STEADY_RUN = "20261123-031500-5f3a9c"
STEADY = (
    (re.compile(r"\b([Ii])n \d+\.\d\d s"), r"\1n 0.02 s"),
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}"), STEADY_RUN),
    (re.compile(r"(?i)(plan) [0-9a-f]{16}"), r"\1 1d9c52b07a3e4f68"),
    (re.compile(r"\b\d+ d ago"), "3 d ago"),
    (re.compile(r"since \d+ d\b"), "since 3 d"),
    (re.compile(r"made \S+ \S+Z \(\d+ s ago\) by \S+ with"), "made 2026-11-23 03:14:20Z (40 s ago) by dba@db1 with"),
    (re.compile(r"(5f3a9c  )\S+ \S+Z(  .* by )\S+:"), r"\g<1>2026-11-23 03:15:00Z\g<2>dba@db1:"),
    (re.compile(r"(adopted +)\d{4}-\S+Z"), r"\g<1>2026-11-23T03:15:00Z"),
    (re.compile(r"(Verified up to |last looked at )\d{4}-\d\d-\d\dT[\d:.]+Z"), r"\g<1>2026-11-23T03:15:00.000Z"),
    (re.compile(r"\btime=[\d.]+s"), "time=0.020s"),
)


def transcript() -> str:
    """Return the commands and all that they print, standard error included, for a store called orders.db."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "orders.db"
        build(path)
        drift(path, OLD_ENGINE)
        drift(path, BACKFILL)
        said = [
            _run(path, "check", "orders.db"),
            _run(path, "repair", "apply", "orders.db", "--yes"),
            _run(path, "check", "orders.db"),
        ]
        latest = read_runs(Store.open(str(path), read_only=True))[0].run_id
        said.append(_run(path, "repair", "undo", "orders.db", latest, "--yes"))
    return steady("\n".join(said))


def steady(text: str) -> str:
    """Return the text with times, runs and plans as they always are in the documentation."""
    for pattern, always in STEADY:
        text = pattern.sub(always, text)
    return text


def printed(*words: str) -> tuple[int, str]:
    """Return the exit status of a command and what it prints, standard error included, as wide as a page can be."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), patch.dict(os.environ, COLUMNS="100"):
        return run(list(words)), out.getvalue()


def _run(path: Path, *words: str) -> str:
    status, text = printed(*(str(path) if word == "orders.db" else word for word in words))
    return f"$ holystone {' '.join(words)}\n{text.replace(str(path), 'orders.db')}(exit status {status})\n"

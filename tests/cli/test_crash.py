"""Faults of holystone itself: exit status 2 in every mode, and a file with what whoever mends it needs."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.state_folder import state_folder

from .helpers import clean_environment

pytestmark = pytest.mark.slow


FAULTY = """
import sys
from holystone.store.histories import Histories
from holystone.store.open_store import OpenStore
from holystone.cli.main import main

class Odd(BaseException):
    pass

def fail(place, **options):
    secret = place.url and place.url.password
    raise {error}

OpenStore.open = Histories.open = fail
main()
"""
TARGET = "postgresql://robert:s3cr%40t%2F@localhost:1/orders?sslpassword=s3cond"
COMMANDS = [
    ("check", TARGET),
    ("check", TARGET, "--format", "json"),
    ("repair", "plan", TARGET, "--format", "sql"),
    ("repair", "apply", TARGET, "--yes"),
    ("repair", "log", TARGET),
    ("executions", "list", TARGET),
    ("migrate", "status", TARGET),
]
ERROR = "RuntimeError(f'odd \\x1b[2J {place.url} {secret} s3cond')"


def crash(folder: Path, error: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose every store fails to open with an error that nobody has foreseen."""
    return subprocess.run(
        [sys.executable, "-c", FAULTY.replace("{error}", error), *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment({"XDG_STATE_HOME": str(folder / "state"), "TMPDIR": str(folder), **environment}),
    )


def test_tests_write_nothing_in_the_home_of_their_user(state_of_tests: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from holystone.state_folder import state_folder; print(state_folder())"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=True,
    )
    assert state_folder() == Path(done.stdout.strip()) == state_of_tests / "holystone"


def report_of(done: subprocess.CompletedProcess[str]) -> Path:
    """Return the file that is named in the end, where nothing drives a terminal."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert not {c for c in done.stderr if not c.isprintable()} - {"\n"}
    error, next_step = done.stderr.splitlines()[-2:]
    assert error.startswith("Error: This is a fault of holystone: ")
    named = re.fullmatch(r"Next: Report it, with the file (.*)", next_step)
    assert named is not None
    return Path(named[1])


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(word for word in words if word != TARGET))
def test_a_crash_names_a_file_and_ends_in_2(tmp_path: Path, words: tuple[str, ...], debug: str) -> None:
    done = crash(tmp_path, ERROR, *words, HOLYSTONE_DEBUG=debug)
    file = report_of(done)
    assert ("Traceback" in done.stderr) == bool(debug)
    assert file.parent == tmp_path / "state" / "holystone"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    written = file.read_text()
    assert "RuntimeError: odd" in written
    assert "in fail" in written
    for text in (written, done.stderr):
        assert not re.search("s3cr|s3cond", text)


@pytest.mark.parametrize(
    "error",
    [
        "Odd()",
        "SystemExit(0)",
        "SystemExit(1)",
        "SystemExit('bye')",
        "MemoryError()",
        "RecursionError()",
        "GeneratorExit()",
        "UnicodeEncodeError('utf-8', '\\ud800', 0, 1, 'no')",
        "Odd('\\ud800 \\x9b')",
    ],
)
def test_every_kind_of_crash_ends_in_2(tmp_path: Path, error: str) -> None:
    assert report_of(crash(tmp_path, error, "check", TARGET)).stat().st_size


def test_without_a_home_the_file_is_a_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    assert report_of(crash(tmp_path, ERROR, "check", TARGET)).parent == tmp_path


def test_where_no_file_can_be_written_the_traceback_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    code = "import tempfile; tempfile.mkstemp = lambda **options: open('/nowhere/x')\n" + FAULTY
    done = subprocess.run(
        [sys.executable, "-c", code.replace("{error}", ERROR), "check", TARGET],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment({"XDG_STATE_HOME": str(tmp_path / "state")}),
    )
    assert done.returncode == 2
    assert "RuntimeError: odd" in done.stderr
    assert done.stderr.splitlines()[-1] == "Next: Run it again with HOLYSTONE_DEBUG=1, and report what it prints."
    assert not re.search("s3cr|s3cond|\x1b", done.stderr)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_only_the_last_files_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "holystone"
    for _ in range(2):
        crash(tmp_path, ERROR, "check", TARGET)
    old = sorted(folder.iterdir())
    for number in range(40):
        (folder / f"crash-2000{number:02}.txt").write_text("")
    file = report_of(crash(tmp_path, ERROR, "check", TARGET))
    assert len(list(folder.iterdir())) <= 20
    assert {file, *old} <= set(folder.iterdir())

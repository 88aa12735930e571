"""The memory that a check takes is bounded by the largest value, however many of those one history holds.

It is a few times the value: as it is in the driver, as text, and as what is read out of it; some more where a finding
has the history looked at with care.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catalogue.conftest import Prepare
from conftest import FLAVOURS
from ground import Ground
from holystone.demo.scribe import Scribe, activity_completed, completed, scheduled, started
from holystone.duroxide.tables import executions, instances, kv_store

LARGE = 50_000_000

# A process never takes less memory than the one that started it, whose copy it begins as: a small one starts it.
LAUNCHER = """\
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
status, usage = os.wait4(pid, 0)[1:]
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def most_bytes(ground: Ground, code: int) -> int:
    """The most memory that a deep check of the store takes."""
    return most_of(code, "check", *ground.made.arguments, "--level", "deep", "--jobs", "1")


def most_of(code: int, *words: str) -> int:
    """The most memory that a command takes."""
    command = [sys.executable, "-m", "holystone", *words]
    run = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], capture_output=True, text=True, check=True)
    exit_code, most = map(int, run.stdout.split())
    assert exit_code == code
    return most


def text(length: int) -> str:
    return f'"{"x" * length}"'


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("source", "times"), [(2, 5), (1, 8)], ids=["sound", "dangling"])
def test_two_large_events(prepare: Prepare, flavour: str, source: int, times: int) -> None:
    most = []
    for length in (1, LARGE):

        def write(scribe: Scribe, length: int = length) -> None:
            answered = activity_completed(text(length), source)
            scribe.execution("large", started(), scheduled(), answered, completed(text(length)))

        most.append(most_bytes(prepare(flavour, write), code=0 if source == 2 else 1))
    assert most[1] - most[0] < times * LARGE


def lost_output(scribe: Scribe, value: str) -> None:
    scribe.execution("large", started(), completed(value))
    scribe.change(executions, {"instance_id": "large"}, output="lost")


def changed_status(scribe: Scribe, value: str) -> None:
    scribe.execution("large", started(), ("CustomStatusUpdated", {"status": value}), completed())
    scribe.change(instances, {"instance_id": "large"}, custom_status=value + "?", custom_status_version=1)


def changed_key(scribe: Scribe, value: str) -> None:
    set_ = ("KeyValueSet", {"key": "k", "value": value, "last_updated_at_ms": 1})
    scribe.execution("large", started(), set_, completed())
    scribe.add(kv_store, instance_id="large", key="k", value=value + "?", last_updated_at_ms=1)


# On SQLite each place of a statement that names a text holds a copy of it.
@pytest.mark.long
@pytest.mark.parametrize(("write", "times"), [(lost_output, 5), (changed_status, 7), (changed_key, 6)])
def test_a_large_value_that_is_found(prepare: Prepare, write: Callable[[Scribe, str], None], times: int) -> None:
    def write_long(scribe: Scribe) -> None:
        write(scribe, text(LARGE))

    def write_short(scribe: Scribe) -> None:
        write(scribe, text(1))

    short = most_bytes(prepare("sqlite", write_short), code=1)
    assert most_bytes(prepare("sqlite", write_long), code=1) - short < times * LARGE


TIMES = {"check": 5, "repair plan": 9, "repair apply": 7, "repair log": 5, "repair undo": 8}
"""Command -> how many times it may hold an output that was lost."""


@pytest.mark.long
def test_a_repair_of_a_large_value(prepare: Prepare, tmp_path: Path) -> None:
    def of_repair(length: int) -> dict[str, int]:
        ground = prepare("sqlite", lambda scribe: lost_output(scribe, text(length)), own=True)
        target, plan = ground.made.arguments[0], str(tmp_path / f"{length}.json")
        most = {
            "check": most_bytes(ground, code=1),
            "repair plan": most_of(0, "repair", "plan", target, "-o", plan),
            "repair apply": most_of(0, "repair", "apply", target, plan),
            "repair log": most_of(0, "repair", "log", target, "--format", "json"),
        }
        ((run_id,),) = ground.execute("SELECT run_id FROM holystone_runs")
        return most | {"repair undo": most_of(0, "repair", "undo", target, run_id, "--yes")}

    short, length = of_repair(1), 20_000_000
    times = {command: (most - short[command]) / length for command, most in of_repair(length).items()}
    assert {command: held for command, held in times.items() if held >= TIMES[command]} == {}

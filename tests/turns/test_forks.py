"""A store that is open in a process which is forked: no two processes ever talk over one connection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ENGINES, Flavour, MakeStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")

FORKS = """
import os, sys
sys.path.insert(0, sys.argv[3])
from holystone.errors import StoreUnavailableError
from holystone.store import Store
from turns.kit import Kit

kit = Kit(Store.open(sys.argv[1], sys.argv[2] or None))
kit.start("parent")
if sys.argv[4] == "closed":
    kit.store.close()
child = os.fork()
instances = ["child"] * 20 if child == 0 else ["parent"] * 20
try:
    for instance in instances:
        kit.start(instance)
except StoreUnavailableError as error:
    print(error, flush=True)
if child:
    os.waitpid(child, 0)
    kit.start("parent")
"""


def forked(engine_store: MakeStore, flavour: Flavour, how: str) -> tuple[str, list[tuple[str, int]]]:
    """Return what the processes print, and how many messages each of them queues."""
    made = engine_store(ENGINES[-1], flavour, ())
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-W", "error", "-c", FORKS, made.target, made.schema or "", tests, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    counts = "SELECT instance_id, count(*) FROM orchestrator_queue GROUP BY instance_id ORDER BY instance_id"
    return done.stdout, made.execute(counts)


def test_each_process_opens_connections_of_its_own(engine_store: MakeStore) -> None:
    """The parent keeps its own, though the child ends."""
    assert forked(engine_store, "postgresql", "open") == ("", [("child", 20), ("parent", 22)])


def test_open_file_is_refused_in_a_forked_process(engine_store: MakeStore) -> None:
    printed, queued = forked(engine_store, "sqlite", "open")
    assert "was open in another process when this one was forked from it" in printed
    assert queued == [("parent", 22)]


def test_closed_file_can_be_opened_in_both(engine_store: MakeStore) -> None:
    assert forked(engine_store, "sqlite", "closed") == ("", [("child", 20), ("parent", 22)])

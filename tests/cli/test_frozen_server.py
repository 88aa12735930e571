"""A server that does not answer any more, frozen or behind a network that loses all: a bound holds, and Ctrl-C ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import pytest

import holystone
from conftest import one_and_long
from holystone.flavours.postgresql import driver
from holystone.flavours.postgresql.driver import PATIENCE_SECONDS
from holystone.flavours.postgresql.session import CONNECT_SECONDS
from postgresql import Server

from .conftest import server_of_its_own
from .helpers import COMMAND, STALE, Sample, clean_environment
from .interposer import Event, Interposer, Session, interposed, swallow
from .test_signals import started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc"),
    # SQLAlchemy leaves the cursors of a connection that is lost to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FEW = 15.0
"""What a command may take besides, on a machine that is busy."""
FACTORS = (4, 15)
"""The run time, in times of what a check takes where the server answers: the next where it was not silenced by then."""
UNBOUNDED = """
import sys
from holystone.flavours.postgresql import driver
from holystone.cli.main import main
driver._has_bounded_cancel = lambda: False
main()
"""
"""A command with a psycopg, or a libpq, whose own request to cancel has no bound."""
DRIVERS = {"bounded": COMMAND, "unbounded": [sys.executable, "-c", UNBOUNDED]}


def processes(server: Server) -> Iterator[int]:
    """The server's processes, the one that takes new connections first."""
    assert server._data is not None
    postmaster = int(Path(server._data, "postmaster.pid").read_text().split()[0])
    yield postmaster
    yield from map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())


@pytest.fixture(scope="module")
def own_server() -> Iterator[tuple[Server, Sample]]:
    """A server of the tests' own, which they may freeze, and a drifted store on it."""
    with server_of_its_own() as (server, store):
        store.execute(STALE)
        yield server, store


@pytest.fixture
def between(own_server: tuple[Server, Sample]) -> Iterator[tuple[Interposer, Sample]]:
    with interposed(own_server[1]) as both:
        yield both


@pytest.fixture(params=["frozen", "swallowed"])
def silence(request: pytest.FixtureRequest, own_server: tuple[Server, Sample]) -> Iterator[Event]:
    """What keeps the server from answering anybody, from the moment on at which the client has said something."""
    server, _ = own_server
    stopped: list[int] = []

    def freeze(session: Session) -> bool:
        for process in processes(server):
            os.kill(process, signal.SIGSTOP)
            stopped.append(process)
        return False

    yield freeze if request.param == "frozen" else swallow
    for process in stopped:
        os.kill(process, signal.SIGCONT)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=300, check=False)


def usual(between: Interposer, command: list[str]) -> tuple[int, float]:
    """How often a command says something to a server that answers, and how many seconds it takes."""
    between.plan()
    begun = time.monotonic()
    assert ran(command).returncode in (0, 1)
    return between.journeys, time.monotonic() - begun


@pytest.mark.parametrize(
    ("words", "using", "part"),
    one_and_long(
        [
            (["check", "--jobs", "1"], "bounded", 0.6),
            (["check", "--jobs", "3"], "unbounded", 0.6),
            (["check", "--level", "deep"], "bounded", 0.95),
            (["gate"], "unbounded", 0.3),
        ]
    ),
)
def test_run_time_is_kept(
    between: tuple[Interposer, Sample], silence: Event, words: list[str], using: str, part: float
) -> None:
    server, store = between
    command = [*DRIVERS[using], *words, *store.words, "--format", "json"]
    total, takes = usual(server, command)
    for factor in FACTORS:
        seconds = ceil(factor * takes)
        server.plan(silence, at=int(total * part))
        with within(seconds + PATIENCE_SECONDS + takes + FEW):
            done = ran([*command, "--run-time", str(seconds)])
        if server.has_happened:
            break
    assert done.returncode == 2, done
    assert json.loads(done.stdout)["verdict"] == "incomplete"
    assert f"The run time of {seconds} s was over before all was read" in done.stderr
    assert "Traceback" not in done.stderr
    assert "cancel" not in done.stderr


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("words", one_and_long([["check"], ["gate"]]))
def test_store_that_does_not_open(
    between: tuple[Interposer, Sample], silence: Event, words: list[str], at: int
) -> None:
    server, store = between
    _, takes = usual(server, [*COMMAND, *words, *store.words])
    server.plan(silence, at=at)
    with within(CONNECT_SECONDS + PATIENCE_SECONDS + takes + FEW):
        done = ran([*COMMAND, *words, *store.words, "--run-time", "1"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "The run time of 1 s was over" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Next: ")


@pytest.mark.long
def test_from_python(between: tuple[Interposer, Sample], silence: Event) -> None:
    server, store = between
    server.plan()
    begun = time.monotonic()
    assert holystone.check(store.target, schema=store.schema).verdict == "drift"
    seconds = ceil(10 * (time.monotonic() - begun))
    server.plan(silence, at=server.journeys // 2)
    with within(seconds + PATIENCE_SECONDS + FEW):
        report = holystone.check(store.target, schema=store.schema, run_time=seconds)
    assert server.has_happened
    assert report.verdict == "incomplete"


@pytest.mark.parametrize(
    ("words", "number", "using"),
    one_and_long(
        [
            (["check", "--jobs", "1"], signal.SIGINT, "bounded"),
            (["check", "--jobs", "3"], signal.SIGTERM, "unbounded"),
            (["repair", "apply", "--yes"], signal.SIGINT, "unbounded"),
            (["why"], signal.SIGTERM, "bounded"),
            (["migrate", "status"], signal.SIGINT, "bounded"),
        ]
    ),
)
def test_one_signal_ends_a_command_that_waits(
    between: tuple[Interposer, Sample],
    silence: Event,
    words: list[str],
    number: signal.Signals,
    using: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, store = between
    monkeypatch.setattr("cli.test_signals.COMMAND", DRIVERS[using])
    first, *rest = store.words
    more = ["order-1"] if words == ["why"] else []
    server.plan(silence, at=8)
    with started(*words, first, *more, *rest) as process:
        while not server.has_happened:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(number)
        with within(PATIENCE_SECONDS + FEW):
            _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert err.strip().splitlines()[-1] == "Stopped; nothing more was done."
    assert "Traceback" not in err


def test_server_that_answers_is_asked_to_cancel(
    own_server: tuple[Server, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where psycopg's request has no bound it is made all the same, once the server is seen to answer."""
    _, store = own_server
    monkeypatch.setattr(driver, "_has_bounded_cancel", lambda: False)
    with interposed(store) as (_, through):
        for url in (store.target, through.target):
            connection = driver.StoppableConnection.connect(url)
            assert connection._answers(5)
            connection.close()

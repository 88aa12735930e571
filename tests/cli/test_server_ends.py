"""The server goes away, or ends what a command is at: its own words, once; what was done; the next command; exit 2."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import one_and_long
from postgresql import Server

from .conftest import RESTORE, server_of_its_own
from .helpers import STALE, UNDATED, Result, Run, Sample
from .interposer import (
    Event,
    Interposer,
    Session,
    failing,
    hang_up,
    interposed,
    shut_down,
    terminate,
    time_out_idle,
    time_out_transaction,
)

# SQLAlchemy leaves the cursors of a connection that is lost to the garbage collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

COMMANDS = {
    "check": ["check", "--jobs", "1"],
    "check --jobs 2": ["check", "--jobs", "2"],
    "check --level deep": ["check", "--jobs", "1", "--level", "deep"],
    "check --since last": ["check", "--since", "last", "--jobs", "1"],
    "repair plan": ["repair", "plan", "--jobs", "1"],
    "repair apply": ["repair", "apply", "--yes", "--jobs", "1", "--select", "E001"],
    "repair undo": ["repair", "undo", "--yes"],
    "repair log": ["repair", "log"],
    "executions list": ["executions", "list"],
    "executions show": ["executions", "show"],
    "why": ["why"],
    "migrate status": ["migrate", "status"],
    "migrate upgrade": ["migrate", "upgrade"],
    "migrate adopt": ["migrate", "adopt"],
    "migrate downgrade": ["migrate", "downgrade", "--yes"],
}
TERMINATED = "terminating connection due to administrator command"
ENDS: dict[str, tuple[Event, str]] = {
    "terminated": (terminate, TERMINATED),
    "shut down": (shut_down, TERMINATED),
    "lost": (hang_up, "server closed the connection unexpectedly"),
    "idle": (time_out_idle, "terminating connection due to idle-"),
    "transaction_timeout": (time_out_transaction, "timeout"),
}
FAILURES: dict[str, tuple[Event, str]] = {
    words: (failing(state, words), words)
    for state, words in [
        ("57014", "canceling statement due to user request"),
        ("55P03", "canceling statement due to lock timeout"),
        ("40001", "canceling statement due to conflict with recovery"),
        ("53200", "out of memory"),
        ("53100", "could not extend file: No space left on device"),
    ]
}
PHASES: dict[str, Callable[[int], int]] = {
    "at the first statement": lambda total: 1,
    "early": lambda total: total // 4,
    "in the middle": lambda total: total // 2,
    "late": lambda total: total * 7 // 8,
    "near the commit": lambda total: total - 3,
}
"""When, as the number of the journey to the server at which it happens, of so many in all."""
EXTREMES = [(phase, PHASES[phase]) for phase in ("at the first statement", "in the middle", "near the commit")]


@pytest.fixture
def between(postgresql_store: Sample) -> Iterator[tuple[Interposer, Sample]]:
    """What stands before the store's server, and the store as it is reached through it."""
    with interposed(postgresql_store) as both:
        yield both


def arranged(run: Run, command: str, direct: Sample, through: Sample) -> list[str]:
    """Return the words of a command on a store in which it has something to do."""
    direct.execute(RESTORE)
    more = {"executions show": ["order-1"], "why": ["order-1"], "migrate downgrade": ["toolkit@base"]}.get(command, [])
    if command in ("check --since last", "migrate downgrade"):
        assert run("migrate", "upgrade", *direct.words).status == 0
    if command == "check --since last":
        assert run("check", "--since", "last", *direct.words).status == 0
    direct.execute(STALE + UNDATED)
    if command == "repair undo":
        more = [run("repair", "apply", *direct.words, "--yes", "--format", "json").json["run"]]
    first, *rest = through.words
    return [*COMMANDS[command], first, *more, *rest]


def assert_told(done: Result, usual: Result, command: str, words: str) -> None:
    """Assert that a command which could not be carried out says why, once, and what was done."""
    said = done.err + done.out
    assert "Traceback" not in said
    assert "fault of holystone" not in said
    assert "sqlalche.me" not in said
    if done.status == usual.status:  # it came when all was done, or to what can be done without
        assert words not in done.err
        return
    if command in ("repair apply", "repair undo") and done.status == 1:
        # What could not be looked at makes a repair unsafe, and keeps a row from being put back; both are told why.
        assert words in " ".join(done.out.split())
        return
    assert done.status == 2, done
    assert done.err.count("Error: ") == 1, done.err
    assert done.err.count(words) == 1, done.err
    assert done.err.splitlines()[-1].startswith("Next: ")
    if command in ("repair apply", "repair undo") and re.search(r"^Run \d", done.err, re.MULTILINE):
        assert re.search(r"^Go on: holystone repair resume ", done.err, re.MULTILINE)


def marks_of_end(command: str, end: str) -> list[pytest.MarkDecorator]:
    """A few commands once by default, each end of them in the long tests, the rest exhaustive."""
    if end == "terminated" and command in ("check", "repair apply"):
        return []
    return [pytest.mark.long if command in ("check", "repair apply", "migrate upgrade") else pytest.mark.exhaustive]


@pytest.mark.parametrize(
    ("command", "end"),
    [
        pytest.param(command, end, marks=marks_of_end(command, end))
        for command in COMMANDS
        for end in (*ENDS, *FAILURES)
    ],
)
def test_each_end_in_each_phase(
    run: Run, postgresql_store: Sample, between: tuple[Interposer, Sample], command: str, end: str
) -> None:
    server, through = between
    event, words = {**ENDS, **FAILURES}[end]
    arrangement = arranged(run, command, postgresql_store, through)
    server.plan()
    usual = run(*arrangement)
    total = server.journeys
    ended = 0
    for phase, when in PHASES.items() if end in FAILURES else EXTREMES:
        arrangement = arranged(run, command, postgresql_store, through)
        # To close a cursor takes no time in which it could be cancelled, and nobody would be told of it.
        server.plan(event, at=max(1, when(total)), sparing=b"CLOSE" if end in FAILURES else None)
        done = run(*arrangement)
        assert server.has_happened, phase
        server.plan()
        assert_told(done, usual, command, words)
        ended += done.status == 2
    assert ended or usual.status == 2


@pytest.fixture
def own_server() -> Iterator[tuple[Server, Sample]]:
    """A server of the test's own, and a drifted store on it."""
    with server_of_its_own() as (server, store):
        store.execute(STALE + UNDATED)
        yield server, store


@contextmanager
def stopping(server: Server, how: signal.Signals) -> Iterator[Event]:
    """Yield what stops the server, as `pg_ctl stop` does."""
    assert server._data is not None
    postmaster = int(Path(server._data, "postmaster.pid").read_text().split()[0])

    def stop(session: Session) -> bool:
        os.kill(postmaster, how)
        session.until_the_server_hangs_up()
        return True

    yield stop


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
@pytest.mark.parametrize("words", [["check", "--jobs", "2"], ["repair", "apply", "--yes"]], ids=" ".join)
@pytest.mark.parametrize("part", [0.3, 0.97])
def test_server_that_is_stopped(
    run: Run, own_server: tuple[Server, Sample], how: signal.Signals, words: list[str], part: float
) -> None:
    server, store = own_server
    with interposed(store) as (between, through), stopping(server, how) as stop:
        assert run("migrate", "upgrade", *through.words).status == 0
        between.plan()
        assert run(*words, *through.words).status == (0 if words[0] == "repair" else 1)
        total = between.journeys
        store.execute(STALE + UNDATED)
        between.plan(stop, at=int(total * part))
        done = run(*words, *through.words)
    assert done.status == 2
    assert "Traceback" not in done.err
    assert done.err.count("Error: ") == 1, done.err
    assert "terminating connection" in done.err or "server closed the connection" in done.err
    assert done.err.splitlines()[-1].startswith("Next: ")


def cancelled_and_terminated(session: Session) -> bool:
    """The server ends the statement, and then the connection, as the client takes the statement back."""
    failing("57014", "canceling statement due to user request")(session)
    session.of.plan(terminate)
    return True


@pytest.mark.parametrize("part", one_and_long([0.3, 0.5]))
@pytest.mark.parametrize("command", ["check", "check --level deep"])
def test_what_was_said_first_is_told_where_taking_back_fails(
    run: Run, postgresql_store: Sample, between: tuple[Interposer, Sample], command: str, part: float
) -> None:
    server, through = between
    words = arranged(run, command, postgresql_store, through)
    server.plan()
    run(*words)
    server.plan(cancelled_and_terminated, at=int(server.journeys * part), sparing=b"CLOSE")
    done = run(*words)
    assert done.status == 2
    assert done.err.count("Error: ") == 1
    said = "terminating connection due to administrator command; before that it said: canceling statement due to user"
    assert said in done.err

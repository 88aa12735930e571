"""Commands in forked processes, each killed at a moment of its own.

Whoever forks has imported all of holystone and has no connection open: a process costs no start of an interpreter. It
tells through a pipe of what it writes, by one byte before each statement and each commit, so that a moment means the
same on a busy machine: it is counted from the last of these marks before it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Engine, event

from holystone.cli.main import main
from holystone.mend import pace

BEGUN, WRITES, JOURNALS, COMMITS = b"b", b"w", b"j", b"c"
"""Marks: of the beginning, and before any other statement that writes, one that writes to the journal, a commit."""
WRITING = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP")
CHANGES_IN_A_CHUNK = 9
"""Fewer than there are of a store's own accord, so that a small store takes several transactions."""
BROKE_DOWN = 70
"""The exit status of a process that an exception has left."""
LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status, or minus a signal; what it said, and the marks with their seconds."""

    status: int
    out: str
    err: str
    marks: bytes
    seconds: Sequence[float]


class Victim:
    """A command that runs in a process of its own, from now on."""

    def __init__(self, words: Sequence[str]) -> None:
        assert threading.active_count() == 1, "a process with threads cannot be forked safely"
        self._out, self._err = os.memfd_create("out"), os.memfd_create("err")
        self._marks, theirs = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._marks)
            _run(words, theirs, self._out, self._err)
        os.close(theirs)
        self._seen = b""
        self._seconds: list[float] = []
        self._gone = os.pidfd_open(self.pid)

    def await_marks(self, number: int) -> bool:
        """Return once so many marks were seen, True, or the process is gone, False."""
        while len(self._seen) < number:
            ready, _, _ = select.select([self._marks, self._gone], [], [], LONGEST_SECONDS)
            if not ready:
                self.send(signal.SIGKILL)
                raise AssertionError(f"a command came to no end in {LONGEST_SECONDS} s")
            if not (self._marks in ready and self._read()) and self._gone in ready:
                return False
        return True

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def end(self) -> Ended:
        """Wait for the end, and return what it was like."""
        self.await_marks(sys.maxsize)
        _, status = os.waitpid(self.pid, 0)
        os.set_blocking(self._marks, False)
        self._read()
        out, err = (os.pread(file, os.fstat(file).st_size, 0).decode() for file in (self._out, self._err))
        for file in (self._marks, self._gone, self._out, self._err):
            os.close(file)
        begun = self._seconds[0] if self._seconds else 0.0
        seconds = [one - begun for one in (*self._seconds, time.monotonic())]
        return Ended(os.waitstatus_to_exitcode(status), out, err, self._seen, seconds)

    def _read(self) -> bool:
        """Read the marks that are there, and return whether there were any."""
        try:
            new = os.read(self._marks, 4096)
        except BlockingIOError:  # a process that the command has forked may hold the other end a moment longer
            new = b""
        self._seen += new
        self._seconds += [time.monotonic()] * len(new)
        return bool(new)


def _run(words: Sequence[str], marks: int, out: int, err: int) -> NoReturn:
    """Run a command as its entry point does, and end the process."""
    status = BROKE_DOWN
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.argv = ["holystone", *words]
        pace.GENTLE_CHUNK = pace.CHUNK = pace.MOST_IN_A_CHUNK = CHANGES_IN_A_CHUNK
        _tell_of_writes(marks)
        os.write(marks, BEGUN)
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else BROKE_DOWN
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _tell_of_writes(marks: int) -> None:
    def tell(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(WRITING):
            journals = statement.startswith("INSERT") and "holystone_changes" in statement
            os.write(marks, JOURNALS if journals else WRITES)

    event.listen(Engine, "before_cursor_execute", tell)
    event.listen(Engine, "commit", lambda _: os.write(marks, COMMITS))


@dataclass(frozen=True)
class Timeline:
    """When a command that nobody stops makes its marks, in seconds since it has begun, and when it ends."""

    marks: bytes
    seconds: Sequence[float]

    @property
    def end(self) -> float:
        return self.seconds[-1]

    @property
    def writing(self) -> tuple[float, float]:
        """From when to when it writes: from the commit of the first rows of the journal to that of the last.

        Of a command that writes none, from its first statement that writes to its last commit.
        """
        first = self.marks.find(JOURNALS)
        if first < 0:
            last = self.marks.rfind(COMMITS)
            return self.seconds[self.marks.find(WRITES)], self.seconds[last] if last > 0 else self.end
        begun = self.marks.find(COMMITS, first)
        return self.seconds[begun], self.seconds[self.marks.find(COMMITS, self.marks.rfind(JOURNALS))]

    def place(self, moment: float) -> tuple[int, float]:
        """Return how many marks come before a moment, and how long it is after the last of them."""
        number = max(1, bisect_right(self.seconds, moment, hi=len(self.marks)))
        return number, moment - self.seconds[number - 1]


def killed(words: Sequence[str], timeline: Timeline, moment: float, number: signal.Signals) -> Ended:
    """Run a command, send it a signal at a moment of its timeline, and return how it ended."""
    victim = Victim(words)
    marks, seconds = timeline.place(moment)
    if victim.await_marks(marks):
        time.sleep(seconds)
    victim.send(number)  # one that has ended keeps its id until it is waited for
    return victim.end()


def in_a_child(act: Callable[[], Any], folder: Path) -> Any:
    """Return what a function returns that is run in a forked process, as JSON has it; AssertionError where it fails."""
    answer = folder / "answer.json"
    child = os.fork()
    if child == 0:
        try:
            answer.write_text(json.dumps({"returned": act()}))
        except BaseException:
            answer.write_text(json.dumps({"failed": traceback.format_exc()}))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    told = json.loads(answer.read_text())
    answer.unlink()
    if "failed" in told:
        raise AssertionError(told["failed"])
    return told["returned"]

"""The engine's process: stores go in, and what became of them comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from itertools import count
from pathlib import Path
from typing import IO, Any

from judge.stores import Place

PLAYER = Path(__file__).with_name("player.py")
TOGETHER = 24
SETTINGS = {"DUROXIDE_PG_POOL_MAX": "4", "RUST_LOG": "off", "TOKIO_WORKER_THREADS": "96"}
"""Of the engine. With few threads all of them can be waiting for Python, and nobody is left to answer it."""
SILENCE_SECONDS = 60.0


class Bench:
    """Plays many stores at once in a process of the engine's; where that stands still, in a new one."""

    def __init__(self, known: Sequence[str] = (), together: int = TOGETHER) -> None:
        self.known = list(known)
        self._together = together
        self._numbers = count()
        self._waiting: dict[int, Future[Any]] = {}
        self._start()

    def _start(self) -> None:
        self._heard = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, str(PLAYER), str(self._together)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **SETTINGS},
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def play(self, place: Place, quiet: float, bound: float) -> Future[Any]:
        """Let the engine go on with a store; see `player.play`."""
        return self._give({"do": "play", "quiet": quiet, "bound": bound}, place)

    def delete(self, place: Place) -> Future[Any]:
        """Let the engine delete what it would; see `player.delete`."""
        return self._give({"do": "delete"}, place)

    def answer(self, future: Future[Any]) -> Any:
        """Return an answer once it is there.

        Calls of the engine's can stop its whole process for good. Then all that it was asked has failed.
        """
        while not future.done():
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                self.close()
                self._start()
            wait([future], timeout=1.0)
        return future.result()

    def close(self) -> None:
        """End the process; what it has not answered has failed."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        while self._waiting:
            _, future = self._waiting.popitem()
            future.set_result({"failed": "the engine stands still"})

    def _give(self, job: dict[str, Any], place: Place) -> Future[Any]:
        number = next(self._numbers)
        future: Future[Any] = Future()
        if not self._waiting:
            self._heard = time.monotonic()
        self._waiting[number] = future
        job |= {"id": number, "target": place.target, "schema": place.schema, "known": self.known}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        return future

    def _read(self, answers: IO[bytes]) -> None:
        for line in answers:
            self._heard = time.monotonic()
            answer = json.loads(line)
            self._waiting.pop(answer.pop("id")).set_result(answer)

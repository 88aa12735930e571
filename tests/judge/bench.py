"""The engine's process: stores go in, and what became of them comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

from judge.stores import Place

PLAYER = Path(__file__).with_name("player.py")
TOGETHER = 24
CONNECTIONS = "4"


class Bench:
    """Plays many stores at once in one process of the engine's."""

    def __init__(self, known: Sequence[str] = (), together: int = TOGETHER) -> None:
        self.known = list(known)
        self._numbers = count()
        self._waiting: dict[int, Future[Any]] = {}
        self._process = subprocess.Popen(
            [sys.executable, str(PLAYER), str(together)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "DUROXIDE_PG_POOL_MAX": CONNECTIONS, "RUST_LOG": "off"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def play(self, place: Place, quiet: float, bound: float) -> Future[Any]:
        """Let the engine go on with a store; see `player.play`."""
        return self._give({"do": "play", "quiet": quiet, "bound": bound}, place)

    def delete(self, place: Place) -> Future[Any]:
        """Let the engine delete what it would; see `player.delete`."""
        return self._give({"do": "delete"}, place)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _give(self, job: dict[str, Any], place: Place) -> Future[Any]:
        number = next(self._numbers)
        future: Future[Any] = Future()
        self._waiting[number] = future
        job |= {"id": number, "target": place.target, "schema": place.schema, "known": self.known}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        return future

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer.pop("id")).set_result(answer)
        for future in self._waiting.values():
            future.set_exception(RuntimeError("the engine's process ended"))

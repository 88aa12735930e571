"""The driver, built with cargo; stores for it to run on; and the process that holds one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
SCHEMA = "provider"
PROGRAM = "provider-driver"
_BUILD_SECONDS = 3_600


@dataclass(frozen=True)
class Place:
    """Where a store is, or is to be; `schema` is None on SQLite."""

    target: str
    schema: str | None

    @property
    def words(self) -> list[str]:
        """The place as the driver takes it."""
        return [f"sqlite:{self.target}?mode=rwc"] if self.schema is None else [self.target, self.schema]


@dataclass(frozen=True)
class Driver:
    program: Path

    def run(self, *words: str, seconds: float, log: str = "off") -> subprocess.CompletedProcess[str]:
        """Run the driver, and return what it said, whether it failed or not."""
        environment = {**os.environ, "RUST_LOG": log, "RUST_BACKTRACE": "0"}
        return subprocess.run(
            [self.program, *words], env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )

    def make(self, place: Place) -> None:
        """Let the engine's own provider open a store, which makes or completes its schema."""
        made = self.run("make", *place.words, seconds=60)
        assert made.returncode == 0, made.stderr


def build() -> Driver:
    """Build the driver into the directory that CARGO_TARGET_DIR names, or a cache of the user's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holystone" / "cargo"
    target = Path(os.environ.get("CARGO_TARGET_DIR") or cache)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--quiet", "--locked"]
    subprocess.run(command, cwd=HERE / "driver", env=environment, check=True, timeout=_BUILD_SECONDS)
    return Driver(target / "debug" / PROGRAM)


@dataclass(frozen=True)
class Served:
    """A process that holds a store, and what it has complained of so far."""

    socket: Path
    log: Path

    @property
    def complaints(self) -> str:
        return self.log.read_text()


@contextmanager
def served(place: Place, *options: str) -> Iterator[Served]:
    """Have a process hold the store, for as long as it is needed."""
    schema = [] if place.schema is None else ["--schema", place.schema]
    with TemporaryDirectory(prefix="holystone") as directory:  # a short path: a socket's may have 107 bytes
        held = Served(Path(directory) / "socket", Path(directory) / "log")
        command = [sys.executable, "-m", "provider.server", str(held.socket), place.target, *schema, *options]
        with (
            held.log.open("w") as log,
            subprocess.Popen(
                command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()
            ) as process,
        ):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", held.complaints
            try:
                yield held
            finally:
                process.terminate()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE.parent)}

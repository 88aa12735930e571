"""The guides: pages whose commands are run, and whose transcripts are what the commands print.

A fenced block of the language `console` has commands behind `$`, and below each what it prints, which `python
docs/build.py` writes. A block of `sh` or `crontab` has commands alone. Any other block behind a line such as `plan.py`:
is a file of that name. All are read in the order of the page, in one folder with one store, orders.db.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from holystone.demo.story import BACKFILL, OLD_ENGINE, build, drift
from transcript import STEADY_RUN, printed, steady

GUIDES = Path(__file__).parent / "guides"
STORE = "orders.db"
_BLOCK = re.compile(
    r"(?:^`(?P<name>[\w./-]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_OF_SHELL = re.compile(r"[|<>&;$*]")
_SCHEDULE = re.compile(r"^\S+ \S+ \S+ \S+ \S+ ")
_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True)
class Block:
    """A fenced block; `name` is that of the file whose text it is, and `start` and `end` are where its text stands."""

    language: str
    name: str | None
    text: str
    start: int
    end: int

    @property
    def commands(self) -> list[str]:
        """The command lines in it."""
        if self.name is not None:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        if self.language == "crontab":
            return [_SCHEDULE.sub("", line) for line in lines if _SCHEDULE.match(line) and line[0] != "#"]
        if self.language == "sh":
            return [line for line in lines if line and not line.startswith("#")]
        return []


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(found["language"], found["name"], found["text"], *found.span("text")) for found in _BLOCK.finditer(page)
    ]


@dataclass
class Session:
    """A folder in which the commands of a page are run; `places` are words in them, and what stands there instead."""

    folder: Path
    places: dict[str, str] = field(default_factory=dict)
    run_id: str = ""

    def run(self, line: str) -> tuple[int, str]:
        """Return the exit status of a command, and what it prints, standard error included."""
        for written, here in self.places.items():
            line = line.replace(written, here)
        line = line.replace(STEADY_RUN, self.run_id or STEADY_RUN)
        scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"XDG_STATE_HOME": str(self.folder / ".state"), "PATH": scripts, "COLUMNS": "100"}
        with chdir(self.folder), patch.dict(os.environ, own):
            status, text = _in_shell(line) if _is_for_shell(line) else printed(*shlex.split(line)[1:])
        if found := _RUN.findall(text):
            self.run_id = found[-1]
        return status, text


def _is_for_shell(line: str) -> bool:
    return not line.startswith("holystone ") or _OF_SHELL.search(line) is not None


def _in_shell(line: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    return done.returncode, done.stdout


def played(
    page: str, session: Session, languages: Collection[str] = ("console", "crontab", "sh")
) -> Iterator[tuple[Block, str, int, str]]:
    """Write the files of a page, run its commands, and yield of each its block, line, exit status and output."""
    for block in blocks(page):
        if block.name is not None:
            file = session.folder / block.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        for line in block.commands if block.language in languages else ():
            yield block, line, *session.run(line)


def drifted_store(path: Path) -> None:
    """Make the store that the guides begin with: the demonstration's, as the backfill has left it."""
    build(path)
    drift(path, OLD_ENGINE)
    drift(path, BACKFILL)


def written(page: str, make: Callable[[Path], None] = drifted_store) -> str:
    """Return a page with the transcripts of its commands, run anew."""
    said: dict[int, str] = {}
    places: dict[int, Block] = {}
    with TemporaryDirectory() as directory:
        make(Path(directory) / STORE)
        for block, line, status, text in played(page, Session(Path(directory)), ["console"]):
            ended = f"(exit status {status})\n" if status else ""
            places[block.start] = block
            said[block.start] = f"{said.get(block.start, '')}$ {line}\n{steady(text)}{ended}"
    for start, text in sorted(said.items(), reverse=True):
        page = page[:start] + text + page[places[start].end :]
    return page

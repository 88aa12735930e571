"""Create a store again and again, each time killed one step later, and say what each one left.

A program of its own, `python -m migrate.kill_everywhere` in the folder `tests`, since it forks. `FOLDER` is where it
works; it prints one JSON list on standard output: for each kill, the step, whether there is a store under the name, and
how a second creation ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from holystone.errors import TargetError
from holystone.flavours.sqlite import file
from holystone.migrate import create
from migrate.forked import in_a_child


def create_and_die(path: Path, step: int) -> None:
    """Create a store, and be killed at a step of it: a statement that writes, or either side of the file's naming."""
    steps = count(1)

    def maybe_die(*_: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def maybe_die_before(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().startswith(("SELECT", "PRAGMA", "BEGIN")):
            maybe_die()

    link = os.link

    def link_between(source: Path, destination: Path) -> None:
        maybe_die()
        link(source, destination)
        maybe_die()

    event.listen(Engine, "before_cursor_execute", maybe_die_before)
    event.listen(Engine, "commit", maybe_die)
    file.os.link = link_between  # type: ignore[attr-defined]
    create(str(path))


def again(path: Path) -> None:
    """Create the store once more; where it is there, that is what is said."""
    if not path.exists():
        create(str(path))
        return
    try:
        create(str(path))
    except TargetError:
        return
    raise AssertionError("a store was replaced")


def main() -> None:
    folder = Path(sys.argv[1])
    create(str(folder / "unhurt.db"))  # imports all that there is to import, for the children
    kills = []
    for step in count(1):
        path = folder / f"killed-{step}.db"
        ended = in_a_child(lambda path=path, step=step: create_and_die(path, step))  # type: ignore[misc]
        if ended == 0:
            break
        kills.append([step, ended, path.exists(), in_a_child(lambda path=path: again(path))])  # type: ignore[misc]
    print(json.dumps(kills))


if __name__ == "__main__":
    main()

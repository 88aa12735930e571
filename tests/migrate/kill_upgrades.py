"""Upgrade a store again and again, each time killed one statement later, and say what each one left.

A program of its own, `python -m migrate.kill_upgrades` in the folder `tests`, since it forks. `TARGET` and `SCHEMA`
name the store, of which each run gets a copy: a path beside which it is copied, with the schema `-`, or the URL of a
PostgreSQL database that serves as a template, whose schema may be missing: then a store is made there. It prints one
JSON list on standard output: for each kill, the step, how the process ended, and how an upgrade after it ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event, make_url

from holystone.flavours import flavour_of
from holystone.flavours.target import Target, parse_target
from holystone.migrate import create, status, upgrade
from holystone.store import Store
from holystone.store.toolkit import REVISIONS
from migrate.forked import in_a_child


def upgrade_or_create(place: Target) -> None:
    """Do what `holystone migrate upgrade` does."""
    if flavour_of(place).structure.is_vacant():
        create(place)
    else:
        upgrade(Store.open(place))


def dying(place: Target, step: int) -> None:
    """Upgrade, and be killed before the statement of this number, a commit being one."""
    steps = count(1)

    def maybe_die(*_: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", maybe_die)
    event.listen(Engine, "commit", maybe_die)
    upgrade_or_create(place)


def again(place: Target) -> None:
    """Upgrade once more, and make sure that all is there."""
    upgrade_or_create(place)
    found = status(Store.open(place, read_only=True))
    assert found.toolkit_revision == list(REVISIONS)[-1], found
    assert found.shape.known, found
    assert not (*found.pending, *found.lacking), found


@contextmanager
def copy(target: str, schema: str, step: int) -> Iterator[Target]:
    """Yield a copy of the store."""
    if schema == "-":
        path = Path(target).with_name(f"killed-{step}.db")
        for suffix in ("", "-wal"):
            if os.path.exists(f"{target}{suffix}"):
                shutil.copyfile(f"{target}{suffix}", f"{path}{suffix}")
        yield parse_target(str(path))
        return
    template = make_url(target)
    name = f"{template.database}_{step}"
    with psycopg.connect(target.replace(f"/{template.database}", "/postgres"), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template.database}"'.encode())
        yield parse_target(target.replace(f"/{template.database}", f"/{name}"), schema)
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def main() -> None:
    target, schema = sys.argv[1:]
    with copy(target, schema, 0) as place:
        in_a_child(lambda: again(place))
    kills = []
    for step in count(1):
        with copy(target, schema, step) as place:
            ended = in_a_child(lambda place=place, step=step: dying(place, step))  # type: ignore[misc]
            kills.append([step, ended, in_a_child(lambda place=place: again(place))])  # type: ignore[misc]
        if ended != -signal.SIGKILL:
            break
    print(json.dumps(kills))


if __name__ == "__main__":
    main()

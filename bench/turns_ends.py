"""How many instances of a store have ended: asked by a process that takes no part in what is measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Protocol

Place = tuple[str, str]
"""The path of a file and ``-``, or the URL of a server and a schema."""


class Ends(Protocol):
    """Tells how many instances have completed, and how many have failed."""

    def __call__(self) -> tuple[int, int]: ...


@contextmanager
def ends_of(place: Place) -> Iterator[Ends]:
    """Yield what asks the store by one connection that stays open."""
    target, schema = place
    if schema == "-":
        with closing(sqlite3.connect(f"file:{target}?mode=ro", uri=True)) as file:
            yield lambda: _counts(file.execute("SELECT status, count(*) FROM executions GROUP BY 1").fetchall())
    else:
        import psycopg
        from psycopg import sql

        count = sql.SQL("SELECT status, count(*) FROM {}.executions GROUP BY 1").format(sql.Identifier(schema))
        with psycopg.connect(target, autocommit=True) as server:
            yield lambda: _counts(server.execute(count).fetchall())


def _counts(rows: list[tuple[str, int]]) -> tuple[int, int]:
    found = dict(rows)
    return found.get("Completed", 0), found.get("Failed", 0)

"""Stores that are drawn from a seed: what their ids, histories, payloads, drift and statistics are like."""

from __future__ import annotations

import os
import random
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.maker import Maker
from bench.rows import ACTIVITIES, Life, pool
from bench.store import build_from

LONGEST_EVENTS = 50_000
"""Of a history in a store whose histories differ; a store has one such history, if it has room for it."""
LARGE_BYTES = 200_000
LARGE_EVERY = 997
"""One of so many payloads is a large one, where some are."""

IDS = ("in sequence", "at random", "long", "sharing prefixes")
HISTORIES = ("alike", "from 3 events on")
PAYLOADS = ("20 bytes", "60 bytes", "some of 200 kB")
DRIFTS = (0.0, 0.01, 0.2)
STATISTICS = ("fresh", "stale", "missing")


@dataclass(frozen=True)
class Draw:
    """One store and how it is read, by its seed and its number; the same two always give the same."""

    seed: int
    number: int
    ids: str
    histories: str
    payloads: str
    drift: float
    statistics: str
    cold: bool
    one_job: bool
    beside: bool

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items() if name not in ("seed", "number"))


def drawn(seed: int, number: int) -> Draw:
    """Return the draw of a seed with this number."""
    rng = random.Random(f"{seed}/{number}")
    return Draw(
        seed=seed,
        number=number,
        ids=rng.choice(IDS),
        histories=rng.choice(HISTORIES),
        payloads=rng.choice(PAYLOADS),
        drift=rng.choice(DRIFTS),
        statistics=rng.choice(STATISTICS),
        cold=rng.random() < 0.25,
        one_job=rng.random() < 0.5,
        beside=rng.random() < 0.2,
    )


class DrawnMaker(Maker):
    """Makes the instances of a draw up."""

    def __init__(self, draw: Draw, executions: int) -> None:
        super().__init__(executions, draw.seed * 1_000 + draw.number)
        self._draw = draw
        self._longest = LONGEST_EVENTS // 2 if draw.histories == HISTORIES[1] else 0
        if draw.payloads != "60 bytes":
            self.requests = pool(self.rng, self._shape)
            self.answers = pool(self.rng, self._shape)

    def _shape(self, rng: random.Random, number: int) -> object:
        if self._draw.payloads == "20 bytes":
            return rng.randrange(10**18)
        large = number % LARGE_EVERY == LARGE_EVERY // 2
        return {"document": "x" * LARGE_BYTES} if large else {"order": rng.randrange(10**7)}

    def _new_id(self) -> str:
        match self._draw.ids:
            case "in sequence":
                return f"order-{self.made:09d}"
            case "long":
                return f"{super()._new_id()}-{'tenant' * 30}"
            case "sharing prefixes":
                return f"{'region/tenant/department/' * 4}order-{self.rng.getrandbits(48):012x}"
            case _:
                return super()._new_id()

    def _activities(self, life: Life, least: int, most: int) -> None:
        if self._draw.histories == "alike":
            super()._activities(life, 5, 5)
            return
        number = self._longest or min(int(self.rng.paretovariate(1.2)), 500)
        self._longest = 0
        for one in range(number - 1 + self.rng.randrange(2)):
            self._activity(life, ACTIVITIES[one % len(ACTIVITIES)])


def build(draw: Draw, path: Path, executions: int) -> int:
    """Build the SQLite store of a draw; return how many executions drifted."""
    drift = int(draw.drift * executions * 0.9)  # of those that have ended
    build_from(path, DrawnMaker(draw, executions), drift)
    connection = sqlite3.connect(path)
    if draw.statistics != "missing":
        connection.execute("ANALYZE")
    if draw.statistics == "stale":  # as of a time when there was a hundredth of it
        connection.execute(
            "UPDATE sqlite_stat1 SET stat = (CAST(stat AS INTEGER) / 100 + 1) || substr(stat, instr(stat, ' '))"
            " WHERE idx IS NOT NULL"
        )
    connection.commit()
    connection.close()
    return drift


def make_stale(url: str, schema: str, statistics: str) -> None:
    """Have a copied store's statistics be as they were drawn: those that the copy has made are fresh."""
    import psycopg

    of_schema = "relnamespace = %s::regnamespace AND relkind IN ('r', 'i')"
    with psycopg.connect(url, autocommit=True) as connection:
        if statistics == "stale":  # as of a time when there was a hundredth of it
            connection.execute(
                "UPDATE pg_class SET reltuples = reltuples / 100, relpages = relpages / 100"
                f" WHERE {of_schema}".encode(),
                (schema,),
            )
        elif statistics == "missing":
            connection.execute(
                f"DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE {of_schema})".encode(),
                (schema,),
            )
            connection.execute(
                f"UPDATE pg_class SET reltuples = -1, relpages = 0, relallvisible = 0 WHERE {of_schema}".encode(),
                (schema,),
            )


def forget(path: Path) -> None:
    """Have the system forget what it has in memory of a file, so that it is read from the disk."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

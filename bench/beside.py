"""What a check costs the engine beside it: ``python -m bench.beside [--postgresql URL --schema NAME]``.

The engine works on a copy of the file, or on the schema itself, alone and during a check, in turn; the activities that
wait there are taken away. Printed are activities a second and the time of a cycle (one turn and one activity), and what
the check's snapshot keeps: on SQLite how large the WAL became, which nobody can take back into the file while it is
read, and on PostgreSQL how many dead rows no VACUUM may remove; then how long after the end of a check that was so. A
check that is bounded may be incomplete: ``--check "--level deep --run-time 5s"``.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import delete

from bench.check import HOLYSTONE
from bench.since import Place, chosen
from holystone.duroxide.tables import worker_queue
from holystone.store import Store

SETTLE_SECONDS = 3.0
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 10.0
LIVELY = 200
"""Dead rows that are there at any moment while the engine works: those of the transactions that go on."""


class Engine:
    """The engine at work on a store in a process of its own."""

    def __init__(self, place: Place, workers: int) -> None:
        empty_queue(place)
        words = [sys.executable, "-m", "bench.load", place.target, place.schema or "-", str(workers)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        time.sleep(SETTLE_SECONDS)
        self.told()

    def told(self) -> dict[str, float]:
        """Return what it did since it was asked last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, float] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def empty_queue(place: Place) -> None:
    """Take away the activities that wait: nobody here runs them, and the engine would try again and again."""
    with closing(Store.open(place.target, place.schema)) as store, store.transaction() as connection:
        connection.execute(delete(worker_queue))


def kept(place: Place) -> int:
    """Return the bytes of the WAL of a SQLite store, or the dead rows that VACUUM may not take out of one elsewhere."""
    if place.schema is None:
        wal = Path(f"{place.target}-wal")
        return wal.stat().st_size if wal.exists() else 0
    import psycopg
    from psycopg import sql

    left: list[str] = []
    with psycopg.connect(place.target, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: left.append(notice.message_detail or notice.message_primary or ""))
        for table in ("history", "executions", "instances", "orchestrator_queue", "worker_queue", "instance_locks"):
            connection.execute(sql.SQL("VACUUM (VERBOSE) {}").format(sql.Identifier(place.schema, table)))
    return sum(
        int(words.split(" are dead but not yet removable")[0].split()[-1]) for words in left if "not yet rem" in words
    )


def release(place: Place) -> float:
    """Return the seconds until nothing is kept any more, less than 10: a WAL is empty then, for the engine goes on."""
    begun = time.perf_counter()
    if place.schema is not None:
        while kept(place) > LIVELY and time.perf_counter() - begun < PATIENCE_SECONDS:
            time.sleep(LOOK_SECONDS)
    else:
        with closing(sqlite3.connect(place.target, timeout=PATIENCE_SECONDS)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return time.perf_counter() - begun


def during_check(place: Place, arguments: list[str]) -> tuple[float, int]:
    """Run a check; return the seconds that it took and the most that was kept for it."""
    begun, most = time.perf_counter(), 0
    command = [*HOLYSTONE, "check", *place.arguments(), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if place.schema is None:
            most = max(most, kept(place))
        time.sleep(LOOK_SECONDS)
        if place.schema is not None and time.perf_counter() - begun > 1:
            most = max(most, kept(place))
    if process.returncode not in (0, 1, *([2] if "--run-time" in arguments else [])):
        raise SystemExit(f"the check ended in {process.returncode}")
    return time.perf_counter() - begun, most


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("--executions", type=int, default=100_000, metavar="N")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing SQLite store, which is copied")
    parser.add_argument("--postgresql", metavar="URL", help="a database with an existing store, which is worked on")
    parser.add_argument("--schema", default="bench", metavar="NAME", help="its schema (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="checks (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="of work alone before each")
    parser.add_argument("--check", default="--level deep", metavar="ARGUMENTS", help="(default: %(default)s)")
    given = parser.parse_args(argv)
    rows: dict[str, list[dict[str, float]]] = {"alone": [], "during the check": []}
    lasted: list[float] = []
    released: list[float] = []
    most = {"alone": 0, "during the check": 0}
    with chosen(given) as place:
        engine = Engine(place, given.workers)
        try:
            for _ in range(given.runs):
                engine.told()
                time.sleep(given.seconds)
                rows["alone"].append(engine.told())
                most["alone"] = max(most["alone"], kept(place))
                release(place)
                engine.told()
                seconds, kept_then = during_check(place, given.check.split())
                rows["during the check"].append(engine.told())
                lasted.append(seconds)
                released.append(release(place))
                most["during the check"] = max(most["during the check"], kept_then)
        finally:
            engine.close()
    unit = "dead rows kept" if given.postgresql else "WAL, MB"
    print(f"{given.workers} workers, check {given.check}: {statistics.median(lasted):.1f} s", end=", ")
    print(f"and {max(released):.1f} s later nothing was kept any more")
    print(f"{'':18}  {'cycles/s':>8}  {'p50 ms':>7}  {'p99 ms':>7}  {unit:>14}")
    for name, told in rows.items():
        figures = [statistics.median(one[what] for one in told) for what in ("rate", "p50", "p99")]
        size = most[name] if given.postgresql else most[name] / 1e6
        print(f"{name:18}  {figures[0]:8.0f}  {figures[1]:7.1f}  {figures[2]:7.1f}  {size:14.1f}")


if __name__ == "__main__":
    main()

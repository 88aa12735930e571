"""Measure the figures on stores that nobody has tuned to: ``python -m bench.draws --seed S --draws N``.

Each draw is a store (`bench/draw.py`), on SQLite or PostgreSQL, and each figure of it a ratio to its baseline in the
same run. Printed is each draw, and at the end the worst of each figure with the draw that gave it, and how to run that
one alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from bench import draw
from bench.beside import Engine
from bench.check import CHECKS, FULL_SCAN, HOLYSTONE, INTEGRITY_CHECK, Run, measure, warm
from bench.draw import Draw, drawn
from bench.postgresql_copy import copy_to_postgresql
from bench.since import Place

LIMITS = {
    "sqlite": {"--select E001": 0.3, "--level quick": 0.5, "--level standard": 1.0, "--level deep": 2.0},
    "postgresql": {"--select E001": 1.5, "--level quick": 3.0, "--level standard": 4.0, "--level deep": 8.0},
}
"""Figure -> the ratio that is to be held in the worst case."""
MEMORY, REPAIR, SINCE = "peak memory", "repair apply", "--since last"
OTHERS = {MEMORY: 250_000_000, REPAIR: 5.0, SINCE: 0.05}
NEW_WORK = 0.01
"""What share of the instances there are new ones before `--since last` is timed."""

GUARDED_UPDATE = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
rows = connection.execute("SELECT instance_id, execution_id FROM executions WHERE status = 'Running'").fetchall()
for first in range(0, len(rows), 100):
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("UPDATE executions SET status = 'Completed' WHERE instance_id = ? AND execution_id = ?"
                           " AND status = 'Running'", rows[first:first + 100])
    connection.execute("COMMIT")
"""
GUARDED_UPDATE_ROLLED_BACK = """\
import psycopg, sys
with psycopg.connect(sys.argv[1], options=f"-csearch_path={sys.argv[2]}") as connection:
    rows = connection.execute("SELECT instance_id, execution_id FROM executions WHERE status = 'Running'").fetchall()
    connection.cursor().executemany("UPDATE executions SET status = 'Completed' WHERE instance_id = %s"
                                    " AND execution_id = %s AND status = 'Running'", rows)
    connection.rollback()
"""


@contextmanager
def made(one: Draw, executions: int, url: str | None) -> Iterator[Place]:
    """Yield the store of a draw for as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="holystone-draw-") as folder:
        path = Path(folder) / "drawn.db"
        draw.build(one, path, executions)
        if url is None:
            yield Place(str(path))
            return
        import psycopg
        from psycopg import sql

        schema = f"bench_draw_{os.getpid()}_{one.number}"
        copy_to_postgresql(path, url, schema)
        path.unlink()
        draw.make_stale(url, schema, one.statistics)
        try:
            yield Place(url, schema)
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


def ready(one: Draw, place: Place) -> None:
    """Have the store be in memory, or on the disk alone; what PostgreSQL has in memory stays there."""
    if place.schema is None:
        (draw.forget if one.cold else warm)(Path(place.target))


def timed(one: Draw, place: Place, command: Sequence[str]) -> Run:
    """Return what a command took; SystemExit where it did not run."""
    ready(one, place)
    run, said = measure(command)
    if run.code not in (0, 1):
        raise SystemExit(f"draw {one.number} ({one}): {' '.join(command)}: exit {run.code}: {said}")
    return run


def figures(one: Draw, place: Place, runs: int, workers: int) -> dict[str, float]:
    """Return the figures of a draw: ratios of medians, and the peak memory in bytes."""
    if place.schema is None:
        baseline = [sys.executable, "-c", INTEGRITY_CHECK, place.target]
    else:
        baseline = [sys.executable, "-c", FULL_SCAN, place.target, place.schema]
    jobs = ("--jobs", "1") if one.one_job else ()
    commands = {" ".join(options): [*HOLYSTONE, "check", *place.arguments(), *options, *jobs] for options in CHECKS}
    base: list[float] = []
    taken: dict[str, list[Run]] = {name: [] for name in commands}
    with closing(Engine(place, workers)) if one.beside else nullcontext():
        for _ in range(runs):
            base.append(timed(one, place, baseline).seconds)
            for name, command in commands.items():
                taken[name].append(timed(one, place, command))
    found = {name: statistics.median(run.seconds for run in of) / statistics.median(base) for name, of in taken.items()}
    found[MEMORY] = float(max(run.bytes for of in taken.values() for run in of))
    if one.drift and not one.beside:
        found[REPAIR] = repair(one, place)
    elif not one.drift and not one.beside:
        found[SINCE] = since_last(one, place)
    return found


def repair(one: Draw, place: Place) -> float:
    """Return what the repair of all that drifted takes against bare UPDATEs of the same rows."""
    if place.schema is None:
        copy = Path(place.target).with_name("bare.db")
        shutil.copyfile(place.target, copy)
        bare = timed(one, Place(str(copy)), [sys.executable, "-c", GUARDED_UPDATE, str(copy)])
        copy.unlink()
    else:
        bare = timed(one, place, [sys.executable, "-c", GUARDED_UPDATE_ROLLED_BACK, place.target, place.schema])
    return timed(one, place, [*HOLYSTONE, "repair", "apply", *place.arguments(), "--yes"]).seconds / bare.seconds


def since_last(one: Draw, place: Place) -> float:
    """Return what a check of what is new takes against the same check of all."""
    timed(one, place, [*HOLYSTONE, "migrate", "upgrade", *place.arguments()])
    timed(one, place, [*HOLYSTONE, "check", *place.arguments(), "--since", "last"])
    place.work([f"new-{uuid.uuid4()}" for _ in range(round(place.instances() * NEW_WORK))])
    check = [*HOLYSTONE, "check", *place.arguments()]
    return timed(one, place, [*check, "--since", "last"]).seconds / timed(one, place, check).seconds


def limit_of(figure: str, flavour: str) -> float:
    """Return what is to be held."""
    return {**LIMITS[flavour], **OTHERS}[figure]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.draws", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="another one each time, but to run again")
    parser.add_argument("--draws", type=int, default=10, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--only", type=int, metavar="N", help="the draw with this number alone")
    parser.add_argument("--executions", type=int, default=300_000, metavar="N", help="of each store")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="of the engine, where it works beside")
    parser.add_argument(
        "--postgresql", metavar="URL", help="a database whose superuser this is; schemas are made there"
    )
    given = parser.parse_args(argv)
    flavour = "postgresql" if given.postgresql else "sqlite"
    worst: dict[str, tuple[float, Draw]] = {}
    for number in range(given.draws) if given.only is None else (given.only,):
        one = drawn(given.seed, number)
        with made(one, given.executions, given.postgresql) as place:
            found = figures(one, place, given.runs, given.workers)
        print(f"draw {number}: {one}\n    {'  '.join(words(name, value) for name, value in found.items())}", flush=True)
        for name, value in found.items():
            if name not in worst or value > worst[name][0]:
                worst[name] = (value, one)
    print("\nThe worst of each:")
    again = f"python -m bench.draws --seed {given.seed} --executions {given.executions} --only"
    for name, (value, one) in worst.items():
        held = "holds" if value <= limit_of(name, flavour) else "MISSED"
        limit = words(name, limit_of(name, flavour)).removeprefix(name).strip()
        print(f"{words(name, value):28} at most {limit:8} {held:6}  {again} {one.number}")


def words(name: str, value: float) -> str:
    """Return a figure for people to read."""
    return f"{name} {value / 1e6:.0f} MB" if name == MEMORY else f"{name} {value:.2f}"


if __name__ == "__main__":
    main()

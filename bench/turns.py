"""Time turns through holystone against the real engine: ``python -m bench.turns [--postgresql URL]``.

Both take the same turns on new stores that the engine made, in turn: instances of one activity each, all of them queued
before the clock starts. An instance is two turns and one activity, so six transactions. Printed are medians of
turns a second, and the ratio to the engine's.

Threads of Python share one interpreter, so they gain no more than the time that each waits for the database; processes
gain what the processors do.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TURNS_OF_AN_INSTANCE = 2

MAKE = """\
import sys, duroxide
if sys.argv[2] == "-":
    duroxide.SqliteProvider.open(sys.argv[1])
else:
    duroxide.PostgresProvider.connect_with_schema(sys.argv[1], sys.argv[2])
"""


@dataclass
class Runner:
    """Who takes the turns, with how many dispatchers or threads, and the turns a second of each run."""

    name: str
    module: str
    workers: int
    kind: str = "threads"
    rates: list[float] = field(default_factory=list)


def measure(runner: Runner, target: str, schema: str, instances: int) -> float:
    """Return the turns a second of one run on a new store; SystemExit where an instance did not complete."""
    subprocess.run([sys.executable, "-c", MAKE, target, schema], check=True)
    command = [sys.executable, "-m", runner.module, target, schema, str(instances), str(runner.workers), runner.kind]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds, lost = done.stdout.split()[-2:]
    if int(lost):
        raise SystemExit(f"{runner.name}: {lost} instances did not complete")
    return instances * TURNS_OF_AN_INSTANCE / float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description=__doc__)
    parser.add_argument("--instances", type=int, default=500, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="dispatchers, threads or processes")
    parser.add_argument("--postgresql", metavar="URL", help="a server; schemas bench_0_0, … are made there")
    given = parser.parse_args()
    runners = [
        Runner(f"engine, {given.workers} dispatchers", "bench.turns_engine", given.workers),
        Runner("holystone, 1 thread", "bench.turns_holystone", 1),
        Runner(f"holystone, {given.workers} threads", "bench.turns_holystone", given.workers),
        Runner(f"holystone, {given.workers} processes", "bench.turns_holystone", given.workers, "processes"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.runs):
            for place, runner in enumerate(runners):
                name = f"bench_{number}_{place}"
                target = given.postgresql or str(Path(folder) / f"{name}.db")
                schema = name if given.postgresql else "-"
                runner.rates.append(measure(runner, target, schema, given.instances))
    base = statistics.median(runners[0].rates)
    print(
        f"{'PostgreSQL' if given.postgresql else 'SQLite'}, {given.instances} instances, medians of {given.runs} runs"
    )
    for runner in runners:
        rate = statistics.median(runner.rates)
        print(f"{runner.name:26} {rate:8.0f} turns/s  {rate / base:5.2f}x")


if __name__ == "__main__":
    main()

"""Time turns through holystone against the real engine: ``python -m bench.turns [--postgresql URL]``.

Both take the same turns on new stores that the engine made, in turn, with the same number of workers. Three figures:

* *turns a second*, where there is always more to do: instances of one activity each, all of them queued before the
  clock starts. An instance is two turns and one activity, so six transactions.
* *latency*, where there is one instance for each worker: its activities come one after the other, and a cycle is one
  turn and one activity, from one ActivityScheduled to the next by the times in the history, in whole ms.

* *processor time* of the first runs, in ms a turn, that of a server on the same machine included: on a machine that has
  other work to do it says more than the others.

A worker is one dispatcher of turns and one of activities beside it; on SQLite holystone's is one for both. Where there
was nothing, both sides look again 5 ms after they began to look, as the engine's dispatchers do. Neither asks whether
all has ended: this process does. Threads of Python share one interpreter, so they gain no more than the time that each
waits for the database; processes gain what the processors do.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path

from bench.engine_schema import POSTGRESQL_SCHEMA, SQLITE_SCHEMA, engine
from bench.server import Server
from bench.turns_ends import Place, ends_of
from holystone.store import Store

ENGINE, HOLYSTONE = "bench.turns_engine", "bench.turns_holystone"
LOOK_AGAIN_SECONDS = 0.02
CYCLES = 25
"""Activities of an instance whose latency is measured."""

FIGURES = ("turns/s", "cpu ms", "p50 ms", "p99 ms")

DROP = """\
import sys, psycopg
from psycopg import sql
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(sys.argv[2])))
"""


@dataclass
class Runner:
    """Who takes the turns with how many workers of which kind; the turns a second of each run, and all cycles in ms."""

    name: str
    module: str
    workers: int
    kind: str
    rates: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)

    def line(self, base: Runner) -> str:
        """Return what came of it, beside the engine with as many workers."""
        rate, of_base = statistics.median(self.rates), statistics.median(base.rates)
        worked, of_base_worked = min(self.processor), min(base.processor)
        lasting = [percentile(runner.cycles, share) for runner in (self, base) for share in (0.5, 0.99)]
        return (
            f"{self.workers:7}  {self.name:20}  {rate:8.0f} {rate / of_base:6.2f}x"
            f"  {worked:6.2f} {worked / of_base_worked:6.2f}x"
            f"  {lasting[0]:6.1f} {lasting[0] / lasting[2]:6.2f}x  {lasting[1]:6.1f} {lasting[1] / lasting[3]:6.2f}x"
        )


HEAD = f"{'workers':>7}  {'':20}" + "".join(f"  {of:>{8 if of == 'turns/s' else 6}}   ratio" for of in FIGURES)


def percentile(values: list[int], share: float) -> float:
    """Return the value that so large a share of them do not exceed; at least 1 ms, which is what the times tell."""
    return max(1.0, float(sorted(values)[min(len(values) - 1, int(share * len(values)))]))


def run(runner: Runner, place: Place, instances: int, cycles: int) -> tuple[float, float]:
    """Return the seconds that the instances took on a new store, and the processor time of who took their turns.

    SystemExit where one did not complete.
    """
    command = [sys.executable, "-m", runner.module, *place, *map(str, (instances, cycles, runner.workers)), runner.kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        ready = worker.stdout.readline()  # once all is queued, and whatever there is to open is open
        if not ready:
            raise SystemExit(f"{runner.name} did not start")
        with ends_of(place) as ends:
            begun = time.perf_counter()
            worker.stdin.write("go\n")
            worker.stdin.flush()
            while sum(ended := ends()) < instances and worker.poll() is None:
                time.sleep(LOOK_AGAIN_SECONDS)
            seconds = time.perf_counter() - begun
        processor, _ = worker.communicate("stop\n")
    if ended[0] < instances or worker.returncode:
        raise SystemExit(f"{runner.name}: {instances - ended[0]} instances did not complete")
    return seconds, float(processor.split()[-1])  # after what the engine has logged


def measure(runner: Runner, places: Iterator[Place], instances: int, server: Server) -> None:
    """Add what one run of each sort shows."""
    with new_store(next(places)) as place:
        before = server.processor()
        seconds, processor = run(runner, place, instances, 1)
        runner.rates.append(2 * instances / seconds)
        runner.processor.append((processor + server.processor() - before) * 1000 / (2 * instances))
    with new_store(next(places)) as place:
        run(runner, place, runner.workers, CYCLES)
        with closing(Store.open(place[0], None if place[1] == "-" else place[1], read_only=True)) as store:
            for row in store.list_executions():
                events = store.read_history(row.instance_id)
                times = [event.timestamp_ms for event in events if event.type == "ActivityScheduled"]
                runner.cycles += [later - earlier for earlier, later in pairwise(times)]


@contextmanager
def new_store(place: Place) -> Iterator[Place]:
    """Have the engine make a store; take a schema away again in the end."""
    if place[1] == "-":
        engine(SQLITE_SCHEMA, place[0])
    else:
        engine(POSTGRESQL_SCHEMA, *place)
    yield place
    if place[1] != "-":
        subprocess.run([sys.executable, "-c", DROP, *place], check=True)


def runners(workers: list[int], kinds: list[str]) -> list[list[Runner]]:
    """Return for each number of workers the engine first, and holystone."""
    return [
        [Runner("engine", ENGINE, number, "threads")]
        + [Runner(f"holystone, {kind}", HOLYSTONE, number, kind) for kind in kinds]
        for number in workers
    ]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description=__doc__)
    parser.add_argument("--instances", type=int, default=500, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    parser.add_argument("--workers", default="1,4,16", metavar="N,…", help="how many (default: %(default)s)")
    parser.add_argument("--kinds", default="threads,processes", metavar="KIND,…", help="of holystone's workers")
    parser.add_argument("--postgresql", metavar="URL", help="a server; schemas bench_turns_0, … are made there")
    given = parser.parse_args(argv)
    groups = runners([int(number) for number in given.workers.split(",")], given.kinds.split(","))
    with tempfile.TemporaryDirectory() as folder:
        if given.postgresql:
            places: Iterator[Place] = ((given.postgresql, f"bench_turns_{number}") for number in count())
        else:
            places = ((str(Path(folder) / f"{number}.db"), "-") for number in count())
        print(f"{'PostgreSQL' if given.postgresql else 'SQLite'}, {given.instances} instances, {given.runs} runs")
        print(HEAD)
        server = Server(given.postgresql)
        for group in groups:
            for _ in range(given.runs):
                for runner in group:
                    measure(runner, places, given.instances, server)
            for runner in group:
                print(runner.line(group[0]), flush=True)
    print("Medians of turns a second; the least processor time a turn; latency of a cycle. Ratios are to the engine's.")


if __name__ == "__main__":
    main()

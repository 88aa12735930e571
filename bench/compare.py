"""Compare two versions of holystone in one run: ``python -m bench.compare --baseline PYTHON [--postgresql URL]``.

PYTHON is an interpreter that has the other version installed, such as that of a virtual environment of another commit.
Each version has its own copy of the same store, and they take turns, level by level. Compared is processor time, which
others on the same machine disturb less than they disturb wall time; on PostgreSQL the server's is added to it where the
server runs on this machine. What the database's own check costs (S009) is left out of the levels and shown apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from bench.check import INTEGRITY_CHECK, Run, cached_store, measure, warm
from bench.server import Server
from bench.since import Place

OWN_CHECK = "S009"
"""The check that has the database check itself."""
LEVELS: tuple[tuple[str, ...], ...] = (("--level", "quick"), ("--level", "standard"), ("--level", "deep"))
SINCE: tuple[tuple[str, ...], ...] = (("--since", "last"), ("--since", "last", "--level", "deep"))


@dataclass(frozen=True)
class Version:
    """One of the two: how it is called, its interpreter, and its own copy of the store."""

    name: str
    python: str
    place: Place

    def command(self, *arguments: str) -> list[str]:
        return [self.python, "-m", "holystone", *arguments]

    def knows(self, check: str) -> bool:
        """Return whether the version has a check."""
        return subprocess.run(self.command("explain", check), capture_output=True).returncode == 0

    def latest_run(self) -> str:
        """Return the id of the run that changed the store last."""
        log = self.command("repair", "log", *self.place.arguments(), "--format", "json")
        return str(json.loads(subprocess.run(log, capture_output=True, check=True).stdout)["runs"][0]["run"])


@dataclass
class Row:
    """What was measured of one command: for each version its runs."""

    name: str
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def add(self, version: Version, run: Run) -> None:
        self.runs.setdefault(version.name, []).append(run)

    def of(self, name: str, what: str) -> float:
        """Return what a version took: the least processor time, which only others can add to, else the median."""
        took: list[float] = [getattr(run, what) for run in self.runs[name]]
        return min(took) if what == "processor" else float(statistics.median(took))


class Comparison:
    """Runs commands for one version after the other, and prints what they took."""

    def __init__(self, versions: Sequence[Version], server: Server, runs: int) -> None:
        self.versions = versions
        self._server = server
        self._runs = runs

    def rounds(self) -> Iterator[Sequence[Version]]:
        """Yield the versions once for each run, in an order that alternates."""
        for number in range(self._runs):
            yield self.versions if number % 2 == 0 else self.versions[::-1]

    def timed(self, version: Version, *arguments: str) -> Run:
        """Return what a command took; SystemExit where it did not run."""
        if version.place.schema is None:
            warm(Path(version.place.target))
        before = self._server.processor()
        command, *options = arguments
        run, said = measure(version.command(*command.split(), *version.place.arguments(), *options))
        if run.code not in (0, 1):
            raise SystemExit(f"{version.name}: {' '.join(arguments)}: exit {run.code}: {said}")
        return Run(run.seconds, run.processor + self._server.processor() - before, run.bytes, run.code)

    def left_out(self, version: Version, arguments: Sequence[str]) -> Sequence[str]:
        """Return the arguments that leave out the database's own check, where it would be made."""
        return ("--ignore", OWN_CHECK) if "deep" in arguments and version.knows(OWN_CHECK) else ()

    def print(self, row: Row) -> None:
        baseline, this = (version.name for version in self.versions)
        if this not in row.runs or baseline not in row.runs:
            only = baseline if baseline in row.runs else this
            print(
                f"{row.name:36}  {only} alone: {row.of(only, 'processor'):.2f} s, wall {row.of(only, 'seconds'):.2f} s"
            )
            return
        figures = []
        for what in ("processor", "seconds"):
            old, new = row.of(baseline, what), row.of(this, what)
            figures.append(f"{old:9.2f} {new:9.2f} {new / old:6.2f}x")
        memory = f"{row.of(baseline, 'bytes') / 1e6:6.0f} {row.of(this, 'bytes') / 1e6:6.0f}"
        print(f"{row.name:36}  {'  '.join(figures)}  {memory}", flush=True)

    def head(self) -> None:
        names = " ".join(f"{version.name:>9}" for version in self.versions)
        print(f"{'':36}  {'processor s':>27}  {'wall s':>27}  {'peak MB':>13}")
        print(f"{'':36}  {names}   ratio  {names}   ratio  {'':13}")


def levels(comparison: Comparison) -> None:
    """Compare the catalogue's levels, without the database's own check, and show that apart."""
    for arguments in LEVELS:
        row = Row(f"check {' '.join(arguments)}")
        for versions in comparison.rounds():
            for version in versions:
                row.add(
                    version, comparison.timed(version, "check", *arguments, *comparison.left_out(version, arguments))
                )
        comparison.print(row)
    row = Row("the database's own check")
    for versions in comparison.rounds():
        for version in versions:
            if version.knows(OWN_CHECK):
                row.add(version, comparison.timed(version, "check", "--level", "deep", "--select", OWN_CHECK))
    comparison.print(row)


def since_last(comparison: Comparison, percent: float) -> None:
    """Compare checks of what is new since the last one, after new work in both copies."""
    for arguments in SINCE:
        row = Row(f"check {' '.join(arguments)}")
        left_out = {version.name: comparison.left_out(version, arguments) for version in comparison.versions}
        for version in comparison.versions:
            comparison.timed(version, "check", *arguments, *left_out[version.name])
        number = round(comparison.versions[0].place.instances() * percent / 100)
        for versions in comparison.rounds():
            names = [f"new-{uuid.uuid4()}" for _ in range(number)]
            for version in versions:
                version.place.work(names)
                row.add(version, comparison.timed(version, "check", *arguments, *left_out[version.name]))
        comparison.print(row)


def repairs(comparison: Comparison) -> None:
    """Compare planning and applying repairs, each of which is undone again."""
    plan, apply = Row("repair plan"), Row("repair apply")
    for versions in comparison.rounds():
        for version in versions:
            plan.add(version, comparison.timed(version, "repair plan"))
            apply.add(version, comparison.timed(version, "repair apply", "--yes"))
            comparison.timed(version, "repair undo", version.latest_run(), "--yes")
    comparison.print(plan)
    comparison.print(apply)


@contextmanager
def copies(given: argparse.Namespace) -> Iterator[list[Place]]:
    """Yield two copies of the store that a command line asks for, for as long as this lasts."""
    if given.postgresql is None:
        with tempfile.TemporaryDirectory() as folder:
            places = [Place(str(Path(folder) / name)) for name in ("baseline.db", "this.db")]
            for place in places:
                shutil.copyfile(given.store or cached_store(given.executions, given.drift), place.target)
            yield places
        return
    import psycopg
    from psycopg import sql

    parts = urlsplit(given.postgresql)
    names = [f"holystone_bench_{side}_{os.getpid()}" for side in ("baseline", "this")]
    # A database cannot be copied while anybody is connected to it, so that of the store is left at once.
    elsewhere = urlunsplit(parts._replace(path="/template1"))
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        try:
            for name in names:
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(parts.path[1:])))
            yield [Place(urlunsplit(parts._replace(path=f"/{name}")), given.schema) for name in names]
        finally:
            for name in names:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--baseline", required=True, metavar="PYTHON", help="the interpreter of the other version")
    parser.add_argument("--executions", type=int, default=100_000, metavar="N")
    parser.add_argument("--drift", type=int, default=0, metavar="N", help="ended executions that a repair mends")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing SQLite store, which is copied")
    parser.add_argument("--postgresql", metavar="URL", help="a database with an existing store instead, also copied")
    parser.add_argument("--schema", default="bench", metavar="NAME", help="its schema (default: %(default)s)")
    parser.add_argument("--percent", type=float, default=1, metavar="P", help="new work (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    parser.add_argument("--only", choices=("levels", "since", "repair"), action="append", help="leave out the others")
    given = parser.parse_args()
    parts = given.only or ("levels", "since", *(("repair",) if given.drift else ()))
    with copies(given) as places:
        versions = [
            Version("baseline", given.baseline, places[0]),
            Version("this", sys.executable, places[1]),
        ]
        for version in versions:
            upgrade = version.command("migrate", "upgrade", *version.place.arguments())
            subprocess.run(upgrade, check=True, stdout=subprocess.DEVNULL)
        comparison = Comparison(versions, Server(given.postgresql), given.runs)
        comparison.head()
        if "levels" in parts:
            levels(comparison)
        if given.postgresql is None and "levels" in parts:
            own = Row("PRAGMA integrity_check")
            for _ in range(given.runs):
                own.add(versions[1], measure([sys.executable, "-c", INTEGRITY_CHECK, places[1].target])[0])
            comparison.print(own)
        if "since" in parts:
            since_last(comparison, given.percent)
        if "repair" in parts:
            repairs(comparison)
    print(f"{given.runs} runs, in turns: the least processor time, and the medians of wall time and memory.")


if __name__ == "__main__":
    main()

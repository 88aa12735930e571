"""Time whole commands against a baseline: ``python -m bench.check [--store PATH | --postgresql URL --schema NAME]``.

The commands of a group run in turn (A B C A B C ...), so that whatever else the machine does falls on all of
them alike. Printed are medians, and their ratio to the group's baseline, measured in the same run.
Nothing is asserted: a ratio is for a person to judge.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import store

HOLYSTONE = (sys.executable, "-m", "holystone")
STORE = "{store}"
CHUNK_BYTES = 1 << 20
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes

# The peak memory of a process never reads below that of the process which started it, for it begins as its
# copy. So a Python with nothing imported, smaller than any other, starts each command and waits for it.
LAUNCHER = """\
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
status, usage = os.wait4(pid, 0)[1:]
print(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""

INTEGRITY_CHECK = """\
import pathlib, sqlite3, sys
uri = pathlib.Path(sys.argv[1]).resolve().as_uri() + "?mode=ro"
print(sqlite3.connect(uri, uri=True).execute("PRAGMA integrity_check").fetchall())
"""

FULL_SCAN = """\
import sys, psycopg
with psycopg.connect(sys.argv[1], options=f"-csearch_path={sys.argv[2]}") as connection:
    print(connection.execute("SELECT sum(length(event_data)) FROM history").fetchall())
"""

CHECKS: tuple[tuple[str, ...], ...] = (
    ("--select", "E001"),
    ("--level", "quick"),
    ("--level", "standard"),
    ("--level", "deep"),
)
"""The argument lists that ``holystone check STORE`` is timed with; ``--check`` adds more."""


@dataclass(frozen=True)
class Run:
    """One process that has ended: wall and processor time in seconds, peak resident memory in bytes, exit code.

    The processor time is that of its own processes as well, not that of a server.
    """

    seconds: float
    processor: float
    bytes: int
    code: int


@dataclass
class Case:
    """A command to time and what was measured; exit codes above ``good`` mean that it did not do its work."""

    name: str
    command: tuple[str, ...]
    good: int = 0
    runs: list[Run] = field(default_factory=list)
    complaint: str = ""

    def seconds(self) -> float:
        """Return the median wall time in seconds."""
        return statistics.median(run.seconds for run in self.runs)

    def bytes(self) -> float:
        """Return the median peak memory in bytes."""
        return statistics.median(run.bytes for run in self.runs)

    def code(self) -> int:
        """Return the worst exit code."""
        return max((abs(run.code) for run in self.runs), default=0)


@dataclass(frozen=True)
class Group:
    """Commands that run in turn; the first is the baseline of the others. ``store`` is the file they read."""

    title: str
    cases: list[Case]
    store: Path | None = None


def measure(command: Sequence[str]) -> tuple[Run, str]:
    """Run a command to its end; return the measurement and the last line of its standard error."""
    launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(launch, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    lines = done.stderr.strip().splitlines()
    last_line = lines[-1] if lines else ""
    if done.returncode != 0:
        return Run(0.0, 0.0, 0, 127), last_line
    seconds, processor, peak, code = done.stdout.split()
    return Run(float(seconds), float(processor), int(peak) * MAXRSS_UNIT, int(code)), last_line


def warm(path: Path) -> None:
    """Read the file once so that it is in memory: no command pays for the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(CHUNK_BYTES):
            pass


def run_group(group: Group, runs: int) -> None:
    """Run each command once for warming up, then all of them in turn, so many times."""
    for number in range(runs + 1):
        for case in group.cases:
            if case.complaint:
                continue
            if group.store is not None:
                warm(group.store)
            run, last_line = measure(case.command)
            if abs(run.code) > case.good:
                case.complaint = f"exit {run.code}: {last_line}"
            if number > 0 or case.complaint:
                case.runs.append(run)


def table(group: Group) -> str:
    """Return the measurements as a text table; ratios are to the group's first command."""
    base = group.cases[0]
    width = max(len(case.name) for case in group.cases)
    head = f"{'':{width}}  {'wall s':>8}  {'min s':>8}  {'peak MB':>8}  {'wall':>7}  {'memory':>7}"
    lines = [group.title, head]
    for case in group.cases:
        if case.complaint:
            lines.append(f"{case.name:{width}}  did not run: {case.complaint}")
            continue
        best = min(run.seconds for run in case.runs)
        line = f"{case.name:{width}}  {case.seconds():8.3f}  {best:8.3f}  {case.bytes() / 1e6:8.1f}"
        if not base.complaint:
            line += f"  {case.seconds() / base.seconds():6.2f}x  {case.bytes() / base.bytes():6.2f}x"
        lines.append(line + ("  (baseline)" if case is base else ""))
    return "\n".join(lines)


def cached_store(executions: int, drift: int) -> Path:
    """Return the path of a built store with these parameters, building it unless an earlier run did."""
    folder = Path(tempfile.gettempdir()) / f"holystone-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SystemExit(f"{folder} belongs to somebody else; set TMPDIR to a directory of your own")
    path = folder / f"store-{executions}-{drift}-{store.DEFAULT_SEED}-v{store.FORMAT}.db"
    if not path.exists():
        build = [sys.executable, "-m", "bench.store", str(path)]
        numbers = ["--executions", str(executions), "--drift", str(drift)]
        subprocess.run([*build, *numbers], check=True, stdout=sys.stderr)
    return path


def check_group(path: Path, holystone: Sequence[str], checks: Sequence[Sequence[str]]) -> Group:
    """Return the group that reads a store: the baseline, then holystone with each argument list."""
    base = Case("PRAGMA integrity_check", (sys.executable, "-c", INTEGRITY_CHECK, str(path)))
    cases = [base, *check_cases([str(path)], holystone, checks)]
    return Group(f"{path.name}: {path.stat().st_size / 1e9:.2f} GB, warm", cases, path)


def postgresql_group(url: str, schema: str, holystone: Sequence[str], checks: Sequence[Sequence[str]]) -> Group:
    """Return the same for a schema of a PostgreSQL server: the baseline reads all events."""
    base = Case("SELECT sum(length(event_data))", (sys.executable, "-c", FULL_SCAN, url, schema))
    return Group(f"schema {schema}", [base, *check_cases([url, "--schema", schema], holystone, checks)])


def check_cases(place: Sequence[str], holystone: Sequence[str], checks: Sequence[Sequence[str]]) -> list[Case]:
    """Return a check of the store for each argument list; that something is found is no failure."""
    cases = []
    for arguments in checks:
        name = shlex.join(["holystone", "check", STORE, *arguments]).replace(shlex.quote(STORE), "STORE")
        cases.append(Case(name, (*holystone, "check", *place, *arguments), good=1))
    return cases


def start_group(holystone: Sequence[str]) -> Group:
    """Return the group that starts and does nothing."""
    return Group(
        "start-up",
        [
            Case('python -c "import click"', (sys.executable, "-c", "import click")),
            Case("holystone --version", (*holystone, "--version")),
        ],
    )


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description="Time holystone.")
    parser.add_argument("--executions", type=int, default=store.DEFAULT_EXECUTIONS, metavar="N")
    parser.add_argument("--drift", type=int, default=0, metavar="N", help="leave N ended executions Running")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="timed runs (default: %(default)s)")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing SQLite store")
    parser.add_argument("--postgresql", metavar="URL", help="a database with an existing store instead")
    parser.add_argument("--schema", default="bench", metavar="NAME", help="its schema (default: %(default)s)")
    parser.add_argument(
        "--check", action="append", default=[], metavar="ARGUMENTS", help="time this argument list as well"
    )
    parser.add_argument(
        "--only", action="store_true", help="of the checks, time those given with --check and no others"
    )
    parser.add_argument(
        "--holystone", metavar="COMMAND", help="another command to time (default: this Python's holystone)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 however slow; 1 where a command did not run."""
    given = _arguments(argv)
    if given.runs < 1:
        raise SystemExit("--runs must be at least 1")
    holystone = tuple(shlex.split(given.holystone)) if given.holystone else HOLYSTONE
    checks = [*(() if given.only else CHECKS), *(tuple(shlex.split(text)) for text in given.check)]
    if given.postgresql:
        group = postgresql_group(given.postgresql, given.schema, holystone, checks)
    else:
        group = check_group(given.store or cached_store(given.executions, given.drift), holystone, checks)
    groups = [group, start_group(holystone)]
    for group in groups:
        run_group(group, given.runs)
        print(table(group), end="\n\n", flush=True)
    print(f"Medians of {given.runs} runs in turn, after one to warm up.")
    return int(any(case.complaint for group in groups for case in group.cases))


if __name__ == "__main__":
    sys.exit(main())

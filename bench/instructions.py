"""Count what two versions of holystone execute: ``python -m bench.instructions --baseline PYTHON [--store PATH]``.

PYTHON is an interpreter that has the other version installed. Counted are the processor's instructions of the whole
process, by valgrind, which has to be installed: other work on the same machine changes them by less than a hundredth.
On PostgreSQL they are those of the client alone.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from bench.check import cached_store

LEVELS = ("quick", "standard", "deep")
_LISTED = re.compile(r"^([A-Z]\d{3})  +\w+  +(\w+)", re.MULTILINE)


def executed(python: str, *arguments: str) -> int:
    """Return how many instructions a command executes; SystemExit where it does not run."""
    count = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command = [*count, python, "-m", "holystone", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"I +refs: +([\d,]+)", done.stderr)
    if done.returncode not in (0, 1) or found is None:
        raise SystemExit(f"{python}: {' '.join(arguments)}: exit {done.returncode}: {done.stderr[-500:]}")
    return int(found[1].replace(",", ""))


def checks_of(python: str, level: str) -> str:
    """Return the ids of the checks that a version has at a level, as words of `--select`."""
    listed = subprocess.run([python, "-m", "holystone", "checks"], capture_output=True, text=True, check=True).stdout
    levels = LEVELS[: LEVELS.index(level) + 1]
    return ",".join(id for id, of in _LISTED.findall(listed) if of in levels)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--baseline", required=True, metavar="PYTHON", help="the interpreter of the other version")
    parser.add_argument("--executions", type=int, default=50_000, metavar="N")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing store instead of one that is made")
    parser.add_argument("--postgresql", metavar="URL", help="a database with an existing store instead")
    parser.add_argument("--schema", default="bench", metavar="NAME", help="its schema (default: %(default)s)")
    given = parser.parse_args()
    if given.postgresql is None:
        place = [str(given.store or cached_store(given.executions, 0))]
    else:
        place = [given.postgresql, "--schema", given.schema]
    for level in LEVELS:
        same = ("--select", checks_of(given.baseline, level))
        for name, options in (("all checks", ()), ("those of the baseline", same)):
            words = ("check", *place, "--jobs", "1", "--level", level, *options)
            executed(sys.executable, *words)  # which compiles what has changed
            before, after = (executed(python, *words) for python in (given.baseline, sys.executable))
            print(f"{level:9} {name:22} {before / 1e6:9.0f} M {after / 1e6:9.0f} M {after / before:6.3f}x", flush=True)


if __name__ == "__main__":
    main()

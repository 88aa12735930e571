"""Time a check against the engine's own API, execution by execution: ``python -m bench.admin [--store PATH]``.

To find executions whose status is not what their history says with the engine alone, one asks it for each instance's
executions, and for each of these for its row and its history. That is timed for some instances, one after the other in
one process, and reckoned up for all of them; the check reads them all.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from bench import store
from bench.check import HOLYSTONE, cached_store, measure, warm

ASK = """\
import sys, time, duroxide
client = duroxide.Client(duroxide.SqliteProvider.open(sys.argv[1]))
instances = client.list_all_instances()
executions, begun = 0, time.perf_counter()
for instance in instances[: int(sys.argv[2])]:
    for number in client.list_executions(instance):
        client.get_execution_info(instance, number)
        client.read_execution_history(instance, number)
        executions += 1
print(len(instances), executions, time.perf_counter() - begun)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.admin", description=__doc__)
    parser.add_argument("--executions", type=int, default=store.DEFAULT_EXECUTIONS, metavar="N")
    parser.add_argument("--store", type=Path, metavar="PATH", help="an existing SQLite store")
    parser.add_argument("--sample", type=int, default=5_000, metavar="N", help="instances (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="timed runs (default: %(default)s)")
    given = parser.parse_args()
    path = given.store or cached_store(given.executions, 0)
    asked, checked = [], []
    for _ in range(given.runs):
        warm(path)
        said = subprocess.run(
            [sys.executable, "-c", ASK, str(path), str(given.sample)], check=True, capture_output=True, text=True
        )
        instances, _, seconds = said.stdout.split()
        asked.append(float(seconds) / min(given.sample, int(instances)) * int(instances))
        warm(path)
        checked.append(measure([*HOLYSTONE, "check", str(path), "--select", "E001"])[0].seconds)
    slow, quick = statistics.median(asked), statistics.median(checked)
    print(f"{path.name}, medians of {given.runs} runs")
    print(f"the engine's API, reckoned up from {given.sample} instances  {slow:8.1f} s  (baseline)")
    print(f"check --select E001                                {quick:8.3f} s  1/{slow / quick:.0f}")


if __name__ == "__main__":
    main()
